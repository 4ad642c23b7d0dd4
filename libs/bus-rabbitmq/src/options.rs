//! Where RabbitMQ is, and how its queues are made.

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret as _, SecretString};
use tripline_kernel::Fault;

/// Where RabbitMQ is, and how its queues are made. What concerns queues counts when they are made and not afterwards.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://…`. A virtual host named `/` is written `%2f`. The query may
    /// hold `heartbeat` in seconds (default 5).
    #[serde(serialize_with = "tripline_kernel::masked")]
    #[schemars(with = "String", example = "amqp://guest:guest@127.0.0.1:5672/%2f")]
    pub uri: SecretString,
    /// What the name of every queue begins with: streams are `PREFIX.log.BUS.PARTITION`, lanes `PREFIX.lane.NUMBER`.
    pub prefix: String,
    /// The largest segment file of a stream, in bytes. Retention drops whole segments, so a stream that keeps little
    /// has smaller ones.
    pub segment_bytes_max: u64,
    /// Frames that a lane holds. Beyond it publishes are refused, and the event log holds what comes.
    pub lane_frames_max: u32,
    /// Bytes that a lane holds. Beyond it publishes are refused.
    pub lane_bytes_max: u64,
    /// Frames that the broker sends ahead to one reader or consumer.
    pub prefetch_frames: u16,
}

/// Seconds between two signs of life on a connection, unless the URI says otherwise.
const HEARTBEAT_SECONDS: u16 = 5;
/// The smallest segment that makes sense: some frames must fit in.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;

impl Default for Options {
    fn default() -> Self {
        Self {
            uri: SecretString::from("amqp://guest:guest@127.0.0.1:5672/%2f"),
            prefix: "tripline".to_owned(),
            segment_bytes_max: 16 << 20,
            lane_frames_max: 1024,
            lane_bytes_max: 256 << 20,
            prefetch_frames: 64,
        }
    }
}

/// The URI cannot be read. It is not shown, since it holds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address of RabbitMQ is written amqp://USER:PASSWORD@HOST:PORT/VHOST")]
pub struct InvalidUri;

impl Options {
    /// Everything that is wrong with these options.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Err(error) = self.uri() {
            faults.push(Fault::new("/uri", "invalid-uri", error.to_string()));
        }
        if self.prefix.is_empty() || self.prefix.len() > 100 {
            faults.push(Fault::new("/prefix", "invalid-length", "must have 1 to 100 bytes"));
        }
        if self.segment_bytes_max < SEGMENT_BYTES_MIN {
            let detail = format!("must be at least {SEGMENT_BYTES_MIN}");
            faults.push(Fault::new("/segment_bytes_max", "too-small", detail));
        }
        for (pointer, zero) in [
            ("/lane_frames_max", self.lane_frames_max == 0),
            ("/lane_bytes_max", self.lane_bytes_max == 0),
            ("/prefetch_frames", self.prefetch_frames == 0),
        ] {
            if zero {
                faults.push(Fault::new(pointer, "too-small", "must be at least 1"));
            }
        }
        faults
    }

    pub(crate) fn uri(&self) -> Result<AMQPUri, InvalidUri> {
        let mut uri: AMQPUri = self.uri.expose_secret().parse().map_err(|_| InvalidUri)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        Ok(uri)
    }

    /// The size of a segment in a stream that keeps `bytes`: small enough that dropping one changes little.
    pub(crate) fn segment_bytes(&self, bytes: u64) -> u64 {
        let largest = self.segment_bytes_max.max(SEGMENT_BYTES_MIN);
        (bytes / 8).clamp(SEGMENT_BYTES_MIN, largest)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn all_faults_are_told_at_once_and_no_secret() {
        let wrong = Options {
            uri: "amqp:secret".into(),
            prefix: String::new(),
            segment_bytes_max: 1,
            lane_frames_max: 0,
            lane_bytes_max: 0,
            prefetch_frames: 0,
        };
        let told = format!("{:?} {wrong:?}", wrong.validate());
        assert_eq!(wrong.validate().len(), 6, "{told}");
        assert!(!told.contains("amqp:secret"), "{told}");
        assert!(Options::default().validate().is_empty());
    }

    #[test]
    fn a_stream_that_keeps_little_has_small_segments() {
        let options = Options::default();
        assert_eq!(options.segment_bytes(1 << 30), options.segment_bytes_max);
        assert_eq!(options.segment_bytes(1 << 20), 128 << 10);
        assert_eq!(options.segment_bytes(0), 64 << 10);
        assert_eq!(options.uri().unwrap().query.heartbeat, Some(5));
    }
}
