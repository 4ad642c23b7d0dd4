//! What a process has used, from `/proc`.

use anyhow::Context as _;

/// Clock ticks a second in `/proc/PID/stat`, which Linux fixes at 100 on every machine that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process and its children have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Seconds of CPU, user and system.
    pub(crate) cpu_seconds: f64,
    /// Most memory held at once, in MB.
    pub(crate) memory_peak_mb: f64,
    /// Memory held now, in MB.
    pub(crate) memory_mb: f64,
}

/// What the process has used.
pub(crate) fn of(pid: u32) -> anyhow::Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The name, in parentheses, may hold spaces; utime and stime are the 12th and 13th fields after it.
    let after_name = stat.rsplit_once(')').context("/proc/PID/stat has a name")?.1;
    let fields: Vec<_> = after_name.split_whitespace().collect();
    let ticks = |at: usize| {
        fields.get(at).and_then(|field| field.parse::<f64>().ok()).context("/proc/PID/stat")
    };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    Ok(Usage {
        cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
        memory_peak_mb: kilobytes("VmHWM:").unwrap_or(0.0) / 1024.0,
        memory_mb: kilobytes("VmRSS:").unwrap_or(0.0) / 1024.0,
    })
}

/// The load average over the last minute.
pub(crate) fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}
