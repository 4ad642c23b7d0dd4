//! What one event costs among 1, 100 and 10,000 patterns, of which it matches one; and what a change of one among 100,000
//! costs while readers keep the copy that they were given.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use tripline_pattern::{Matcher, Pattern, Scratch};

const EVENT: &str = r#"{"specversion": "1.0", "id": "2f7c", "source": "minio:s3..photos",
 "type": "com.amazonaws.s3.ObjectCreated:Put", "subject": "in/0042.jpg", "time": "2026-01-31T23:59:59.123Z",
 "data": {"eventVersion": "2.0", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
  "requestParameters": {"principalId": "writer", "region": "", "sourceIPAddress": "127.0.0.1"},
  "s3": {"bucket": {"name": "bucket-0", "arn": "arn:aws:s3:::bucket-0"},
   "object": {"key": "in%2F0042.jpg", "size": 48213, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "17C0"}}}}"#;

fn exact(n: usize) -> String {
    format!(
        r#"{{"type": ["com.amazonaws.s3.ObjectCreated:Put"], "data": {{"s3": {{"bucket": {{"name": ["bucket-{n}"]}}}}}}}}"#
    )
}

fn prefix(n: usize) -> String {
    format!(r#"{{"data": {{"s3": {{"bucket": {{"name": [{{"prefix": "bucket-{n}"}}]}}}}}}}}"#)
}

fn matching(criterion: &mut Criterion) {
    for (name, pattern) in [("exact", exact as fn(usize) -> String), ("prefix", prefix)] {
        let mut group = criterion.benchmark_group(name);
        for count in [1, 100, 10_000] {
            let mut matcher = Matcher::new();
            for n in 0..count {
                matcher.install(n, &Pattern::parse(&pattern(n)).expect("a valid pattern"));
            }
            let (mut out, mut scratch) = (Vec::new(), Scratch::default());
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| matcher.matches(EVENT.as_bytes(), &mut scratch, &mut out));
            });
            assert_eq!(out.len(), 1);
        }
        group.finish();
    }
}

fn changing(criterion: &mut Criterion) {
    let count = 100_000_usize;
    let patterns: Vec<_> =
        (0..count).map(|n| Pattern::parse(&exact(n)).expect("a valid pattern")).collect();
    let mut matcher = Matcher::new();
    for (n, pattern) in patterns.iter().enumerate() {
        matcher.install(n, pattern);
    }
    let mut next = (0..count).cycle().step_by(7_919);
    criterion.bench_function("change one among 100,000", |bencher| {
        bencher.iter_batched(
            || (matcher.clone(), matcher.clone(), next.next().unwrap_or(0)),
            |(mut changed, held, n)| {
                changed.remove(n);
                changed.install(n, &patterns[n]);
                (changed, held)
            },
            BatchSize::PerIteration,
        );
    });
    criterion.bench_function("copy 100,000", |bencher| bencher.iter(|| matcher.clone()));
}

criterion_group!(benches, matching, changing);
criterion_main!(benches);
