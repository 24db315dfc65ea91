// Reads lines with a message type and an encoding in hexadecimal. Answers each line with the reference's own encoding of
// the decoded message, or with "refused".
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

func blank(kind string) proto.Message {
	switch kind {
	case "Entry":
		return &pb.Entry{}
	case "HardState":
		return &pb.HardState{}
	case "ConfState":
		return &pb.ConfState{}
	case "SnapshotMetadata":
		return &pb.SnapshotMetadata{}
	case "Snapshot":
		return &pb.Snapshot{}
	case "Message":
		return &pb.Message{}
	case "ConfChange":
		return &pb.ConfChange{}
	case "ConfChangeSingle":
		return &pb.ConfChangeSingle{}
	case "ConfChangeV2":
		return &pb.ConfChangeV2{}
	}
	panic(kind)
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<28)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		kind, text, _ := strings.Cut(in.Text(), " ")
		data, err := hex.DecodeString(text)
		if err != nil {
			panic(err)
		}
		m := blank(kind)
		if err := proto.Unmarshal(data, m); err != nil {
			fmt.Fprintln(out, "refused")
			continue
		}
		data, err = proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(out, hex.EncodeToString(data))
	}
}
