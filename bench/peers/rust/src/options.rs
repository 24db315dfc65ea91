//! The command line: a workload, then its options, each with the workload's default.

pub struct Options {
    pub workload: String,
    pub n: usize,
    pub nodes: usize,
    pub size: usize,
    pub batch: usize,
    pub groups: usize,
    pub seed: u64,
    pub batch_append: bool,
}

const OPTIONS: &[&str] = &["--nodes", "--batch", "--size", "--groups", "--batch-append"];
const PROPOSES: &[&str] = &["--nodes", "--batch", "--size", "--batch-append"];

/// Name, n, nodes, batch, size (1 for values that a workload does not use), and its options besides --n and --seed.
const WORKLOADS: [(&str, usize, usize, usize, usize, &[&str]); 14] = [
    ("replicate1", 20_000, 3, 1, 128, PROPOSES),
    ("batch", 64_000, 3, 64, 128, PROPOSES),
    ("big", 16_000, 3, 16, 4096, PROPOSES),
    ("single", 50_000, 1, 1, 128, PROPOSES),
    ("five", 32_000, 5, 64, 128, PROPOSES),
    ("readindex", 20_000, 3, 1, 1, &["--nodes"]),
    ("ticks", 50_000, 3, 1, 1, &["--groups"]),
    ("election", 5_000, 3, 1, 1, &["--nodes"]),
    ("transfer", 5_000, 3, 1, 1, &["--nodes"]),
    ("codec_encode", 50_000, 1, 64, 128, &["--batch", "--size"]),
    ("codec_decode", 50_000, 1, 64, 128, &["--batch", "--size"]),
    ("codec_encode_hb", 500_000, 1, 1, 1, &[]),
    ("codec_decode_hb", 500_000, 1, 1, 1, &[]),
    ("quorum", 500_000, 3, 1, 1, &["--nodes"]),
];

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let names: Vec<&str> = WORKLOADS.iter().map(|each| each.0).collect();
        let workload = words.next().ok_or(format!("name a workload, of: {}", names.join(" ")))?;
        let &(_, n, nodes, batch, size, takes) = WORKLOADS
            .iter()
            .find(|each| each.0 == workload)
            .ok_or(format!("no such workload: {workload}; there are: {}", names.join(" ")))?;
        let mut o = Options { workload, n, nodes, size, batch, groups: 1_000, seed: 1, batch_append: false };
        while let Some(name) = words.next() {
            if OPTIONS.contains(&name.as_str()) && !takes.contains(&name.as_str()) {
                let takes = [&["--n", "--seed"], takes].concat().join(", ");
                return Err(format!("{} does nothing with {name}; it takes {takes}", o.workload));
            }
            if name == "--batch-append" {
                o.batch_append = true;
                continue;
            }
            let word = words.next().ok_or(format!("{name} needs a number"))?;
            let value: usize = word.parse().map_err(|_| format!("{name} needs a number, not {word}"))?;
            match name.as_str() {
                "--n" => o.n = value,
                "--nodes" => o.nodes = value,
                "--size" => o.size = value,
                "--batch" => o.batch = value,
                "--groups" => o.groups = value,
                "--seed" => o.seed = value as u64,
                _ => return Err(format!("unexpected argument: {name}")),
            }
            if value == 0 && name != "--seed" {
                return Err(format!("{name} must be greater than 0"));
            }
        }
        Ok(o)
    }
}
