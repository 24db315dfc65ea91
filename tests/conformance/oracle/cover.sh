#!/usr/bin/env bash
# Statement coverage of the reference by script folders, per file.
# usage: cover.sh LABEL TEST=DIR...   e.g. cover.sh ref TestInteraction=FOLDER
# Prints one line per file, and one per package as "package/*".
set -euo pipefail
cd "$(dirname "$0")"
label=$1; shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
i=0
for spec in "$@"; do
  i=$((i+1))
  go test -count=1 -run "${spec%%=*}\$" -coverpkg=go.etcd.io/raft/v3/... -coverprofile="$work/$i.out" . -args -dir "${spec#*=}" >"$work/log" || { tail -30 "$work/log"; exit 1; }
done
awk -v label="$label" '
  FNR==1 {next}
  { split($1,a,":"); f=a[1]; sub("go.etcd.io/raft/v3/","",f); k=$1; n[k]=$2; file[k]=f; if ($3>0) hit[k]=1 }
  END {
    for (k in n) { f=file[k]; tot[f]+=n[k]; if (k in hit) cov[f]+=n[k]
      split(f,p,"/"); d=(f ~ /\//)?p[1]:""; if (d!="") { tot[d "/*"]+=n[k]; if (k in hit) cov[d "/*"]+=n[k] } }
    for (f in tot) printf "%-10s %-32s %5d/%-5d %5.1f%%\n", label, f, cov[f], tot[f], 100*cov[f]/tot[f]
  }' "$work"/*.out | grep -vE ' (state_trace|rafttest/|node\.go|logger\.go)' | sort -k2
# KEEP=FILE: each block with 1 or 0 for run or not, for comparing two sets with join.
if [ -n "${KEEP:-}" ]; then
  awk 'FNR==1{next} {n[$1]=$2; if($3>0) h[$1]=1} END{for(k in n) print ((k in h)?1:0), k}' "$work"/*.out | sort -k2 >"$KEEP"
fi
