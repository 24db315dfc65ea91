//! A run's wall and CPU time, and further results.

use std::error::Error;
use std::fs;
use std::mem::MaybeUninit;
use std::time::Instant;

pub type Failure = Box<dyn Error>;

pub struct Measured {
    pub n: usize,
    wall: f64,
    cpu: f64,
    extra: Vec<(&'static str, f64)>,
}

impl Measured {
    pub fn new(n: usize) -> Self {
        Measured { n, wall: 0.0, cpu: 0.0, extra: Vec::new() }
    }

    /// Times the work.
    pub fn run(&mut self, work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let (start, before) = (Instant::now(), cpu_seconds());
        let done = work();
        self.cpu = cpu_seconds() - before;
        self.wall = start.elapsed().as_secs_f64();
        done
    }

    pub fn tell(&mut self, name: &'static str, value: usize) {
        self.extra.push((name, value as f64));
    }

    /// Reports the messages per unit, and whether every implementation sends that many.
    pub fn expect(&mut self, messages: usize, each: Option<usize>) -> Result<(), Failure> {
        self.extra.push(("messages_per_op", messages as f64 / self.n as f64));
        match each {
            Some(each) if messages != each * self.n => {
                Err(format!("{messages} messages in {} operations instead of {each} in each", self.n).into())
            }
            _ => Ok(()),
        }
    }

    /// The line of JSON.
    pub fn line(&self, version: &str, build: &str, workload: &str) -> String {
        let mut extra = format!("\"cpu_us_per_op\": {:.4}", self.cpu / self.n as f64 * 1e6);
        for (name, value) in &self.extra {
            extra.push_str(&format!(", \"{name}\": {value}"));
        }
        format!(
            "{{\"peer\": \"raft-rs\", \"version\": \"{version}\", \"build\": \"{build}\", \"loop\": \"compiled\", \
             \"workload\": \"{workload}\", \"n\": {}, \"seconds\": {:.6}, \"cpu_seconds\": {:.6}, \
             \"per_sec\": {:.1}, \"extra\": {{{extra}}}}}",
            self.n,
            self.wall,
            self.cpu,
            self.n as f64 / self.wall
        )
    }
}

/// CPU time of this process so far, all threads, user and system.
fn cpu_seconds() -> f64 {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is to a rusage, which the call fills completely if it returns 0.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Resident memory of this process in bytes, 0 if the system does not report it.
pub fn resident() -> usize {
    let Ok(text) = fs::read_to_string("/proc/self/statm") else { return 0 };
    let pages = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    // SAFETY: returns a number and touches none of our memory.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages * usize::try_from(page).unwrap_or(0)
}
