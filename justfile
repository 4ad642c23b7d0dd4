# What programs built by these recipes say they were built from.
export TRIPLINE_COMMIT := `git rev-parse HEAD`

# Lists the recipes.
default:
    @just --list

# All that must hold before a change lands.
ci:
    .ci/run

# Formats the code.
fmt:
    cargo fmt --all

# Lints, and the checks that the compiler does not make.
lint:
    cargo clippy --workspace --all-targets -- -D warnings
    cargo xtask tidy

# All tests, the real servers included.
test:
    cargo xtask test

# The tests of one package, such as `just test-one tripline-bus`.
test-one package:
    cargo test --package {{package}}

# Black-box tests of both editions.
e2e:
    cargo build --workspace
    cargo test --package tripline-e2e

# Micro-benchmarks.
bench:
    cargo bench --workspace

# The load program against the embedded edition.
load-embedded *arguments:
    cargo build --release --workspace
    cargo run --release --package tripline-load -- --edition embedded {{arguments}}

# The load program against the five processes on RabbitMQ, MariaDB and Redis.
load-split *arguments:
    cargo build --release --workspace
    cargo run --release --package tripline-load -- --edition split {{arguments}}

# Faults under load, with a ledger of every event; `--list` names them. Results go to docs/reliability with `--out`.
faults *arguments:
    cargo build --workspace
    cargo run --package tripline-faults -- {{arguments}}

# Fuzzes `pattern parse`, `pattern matcher` or `transform transform` for so many seconds (needs a nightly compiler and cargo-fuzz).
fuzz crate="pattern" target="matcher" seconds="60":
    cargo run --release --package tripline-patterns-compare -- seeds --out libs/pattern/fuzz/corpus
    cargo +nightly fuzz run --fuzz-dir libs/{{crate}}/fuzz {{target}} -- \
        -max_total_time={{seconds}} -max_len=4096 -dict=libs/{{crate}}/fuzz/{{crate}}.dict

# Generated patterns and events put to Tripline's matcher and to event-ruler (Java is needed): ends with 1 if any answer differs.
pattern-differential seed="1" cases="100000":
    cargo run --release --package tripline-patterns-compare -- differential {{seed}} {{cases}}

# Tripline's matcher and event-ruler on the same data: events a second, time to load, memory (Java is needed).
pattern-compare *arguments:
    cargo run --release --package tripline-patterns-compare -- compare {{arguments}}

# The worst events that we know for the worst patterns that are accepted: ends with 1 if one takes more than 5 ms.
pattern-hostile:
    cargo run --release --package tripline-patterns-compare -- hostile

# Generated parts of the documentation and of deploy/.
gen:
    cargo xtask performance
    cargo xtask reliability
    cargo xtask config

# An image for each program, with buildah on a base made by debootstrap (as root, on Debian).
image *programs:
    deploy/image.sh {{programs}}

# Builds an image and shows that it runs as nobody, on a read-only root, and is healthy.
image-check:
    deploy/check-image.sh

# All five services in one process, with a demo trigger.
dev:
    cargo run --release --package tripline -- dev --demo

# Which servers and tools the tests would use.
doctor:
    cargo xtask setup
