# Every command that a person types here. `just` alone lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

tools := justfile_directory() / "target/tools"
ministack := tools / "ministack/bin/python"
terraform := tools / "terraform/bin/python"
lambdas := "admin publish poll compactor keeper canary authorizer"

# list the recipes
default:
    @just --list

# start the local server; it writes its admin key to data/admin.key
run *arguments:
    cargo run --release -- {{ arguments }}

# API keys of an environment, as in: just keys --env dev list
[positional-arguments]
keys *arguments:
    cargo run --quiet --package ops --bin ledger-keys -- "$@"

# where subscriptions stand, as in: just offsets --env dev show orders billing
[positional-arguments]
offsets *arguments:
    cargo run --quiet --package ops --bin ledger-offsets -- "$@"

# how far behind they are, as in: just lag --env dev report
[positional-arguments]
lag *arguments:
    cargo run --quiet --package ops --bin ledger-lag -- "$@"

# what an environment costs in a month: scenarios beside what others take, and every line; --workload FILE for another
[positional-arguments]
cost *arguments:
    cargo run --quiet --package ops --bin ledger-lag -- cost "$@"
    cargo run --quiet --package ops --bin ledger-lag -- cost --show lines "$@"

# every test
test *arguments:
    cargo test --workspace {{ arguments }}

# what must pass before a change is merged
check:
    .ci/run

# all binaries in release: the compiler may refuse there what it builds in dev
build-release:
    cargo build --workspace --bins --release

# format the code
fmt:
    cargo fmt

# clippy, warnings are errors
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# licences, sources, banned crates and, where the database can be fetched, known vulnerabilities
audit:
    #!/usr/bin/env bash
    set -euo pipefail
    deny={{ tools }}/bin/cargo-deny
    [ -x "$deny" ] || cargo install --locked --root {{ tools }} cargo-deny
    "$deny" check bans licenses sources
    if "$deny" fetch db; then
        "$deny" check advisories
    else
        echo "NOT CHECKED: the advisory database could not be fetched" >&2
    fi

# render the committed OpenAPI document again, from what the services answer
openapi:
    UPDATE_EXPECT=1 cargo test --workspace --test contract -- description_is_the_committed_document

# render again what infrastructure code reads of the services, and alarms, dashboards and their pictures
render:
    UPDATE_EXPECT=1 cargo test --workspace --test infrastructure --test render

# the zips of the Lambdas, in target/lambda, for this machine's processor or for x86_64 or arm64
build-lambda architecture="":
    #!/usr/bin/env bash
    set -euo pipefail
    venv={{ tools }}/cargo-lambda
    [ -x "$venv/bin/cargo-lambda" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet cargo-lambda==1.9.2; }
    for name in {{ lambdas }}; do
        PATH="$venv/bin:$PATH" cargo lambda build --locked --profile lambda --compiler cargo \
            {{ if architecture == "arm64" { "--arm64" } else if architecture == "x86_64" { "--x86-64" } else { "" } }} \
            --output-format zip --package "$name"
    done
    infra/commit > target/lambda/release

# how large each zip is, and how long its Lambda takes to ask for work
start-up *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    for name in {{ lambdas }}; do
        python3 -m zipfile -e "target/lambda/$name/bootstrap.zip" "target/lambda/$name/unpacked"
        chmod +x "target/lambda/$name/unpacked/bootstrap"
    done
    cargo run --quiet --package tests --example start-up -- target/lambda {{ arguments }}

# once for each account and region: prepare to make the bucket that keeps what OpenTofu knows
bootstrap-init environment="dev":
    infra/run bootstrap-init {{ environment }}

# make it
bootstrap-apply environment="dev":
    infra/run bootstrap-apply {{ environment }}

# prepare an environment
tf-init environment="dev":
    infra/run tf-init {{ environment }}

# write down what a deployment would change: a plan for `deploy`, and a summary for people
plan environment="dev":
    infra/run plan {{ environment }}

# do what was written down, or write it down and ask
deploy environment="dev":
    infra/run deploy {{ environment }}

# the API's URL, the table, the dashboards
tf-output environment="dev":
    infra/run tf-output {{ environment }}

# let each function run its version of a release; without one, list the releases
roll-back environment="dev" release="":
    infra/run roll-back {{ environment }} {{ release }}

# delete an environment with everything in it, after asking for its name
destroy environment:
    infra/run destroy {{ environment }}

# publish this repository's history to the local server, rebuild it from there, and compare (start `just run` first)
example *arguments:
    cargo build --package tests --example git-publish --example git-bootstrap
    cargo run --quiet --package tests --example git-publish -- {{ arguments }}
    cargo run --quiet --package tests --example git-bootstrap -- {{ arguments }}

# the same with a generated repository of so many commits
example-large commits="30000":
    #!/usr/bin/env bash
    set -euo pipefail
    repository=target/git-history-{{ commits }}
    if [ ! -d "$repository" ]; then
        rm -rf "$repository.part"
        cargo run --quiet --package tests --example git-generate -- --commits {{ commits }} "$repository.part"
        mv "$repository.part" "$repository"
    fi
    just example --repo "$repository" --stream git-history-{{ commits }}

# print the changes of this repository as they are published
example-follow *arguments:
    cargo run --quiet --package tests --example git-follow -- {{ arguments }}

# the contract suite against a running server, with the API key in a file
contract url="http://127.0.0.1:8080" key_file="data/admin.key":
    EVENTLEDGER_API_URL={{ url }} EVENTLEDGER_API_KEY="$(cat {{ key_file }})" cargo test --workspace --test contract

# the contract suite on a second implementation of DynamoDB, MiniStack, through the SDK's own network client
check-emulator: _ministack
    tests/emulator/serve {{ ministack }} tests/emulator/check

# the operator tools and the interfaces of AWS that they use, CloudWatch and API Gateway among them, on MiniStack
check-aws: _ministack
    tests/emulator/serve {{ ministack }} cargo test --workspace --test aws -- --ignored --test-threads 1

# an environment from nothing to nothing on MiniStack, with the true zips, HCL and tools: `just build-lambda` comes first
e2e edge="http": _ministack _terraform
    tests/end_to_end/run {{ ministack }} {{ terraform }} {{ edge }}

# format, validity and tests of the infrastructure code, with a real core and a stand-in for the provider; and checkov
check-infra: _terraform
    tests/terraform/check {{ terraform }}
    tests/terraform/install {{ tools }}/checkov tests/terraform/checkov.txt
    tests/terraform/audit {{ tools }}/checkov

# A Terraform core, the provider's schema, and what asks the emulator.
_terraform:
    tests/terraform/install {{ tools }}/terraform

# It needs cbor2 and does not say so.
_ministack:
    #!/usr/bin/env bash
    set -euo pipefail
    venv={{ tools }}/ministack
    [ -x "$venv/bin/ministack" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet ministack==1.5.33 cbor2==6.3.0; }

# how long an unknown id and a wrong secret take to be refused, and whether that tells them apart
key-timing *arguments:
    cargo run --quiet --release --package tests --example key-timing -- {{ arguments }}

# what API keys, limits and telemetry add to a publish and a poll
wrapper-cost *arguments:
    cargo run --quiet --release --package tests --example wrapper-cost -- {{ arguments }}

# how fast the local server is, and others on PATH; `just bench scale`, `just bench compaction`, `just bench --help`
[positional-arguments]
bench *arguments:
    cargo build --quiet --release --package local --bin eventledger
    cargo run --quiet --release --package tests --example bench -- "$@"

# what encoding, folding, cursors and the check of a key cost alone; a word runs only what has it in its name
bench-micro *arguments:
    cargo bench --quiet --package tests --bench ledger --bench access -- {{ arguments }}

# how many instructions a Lambda's handlers take for a request, beside those that are written down; needs valgrind
instructions *arguments:
    cargo run --quiet --release --package tests --example instructions -- {{ arguments }}

# a trace of the real server, drawn: a publish, its compaction and a poll
trace:
    cargo test --quiet --workspace --test traces -- --nocapture followed

# one seed of the simulation again, with what was wrong; --story tells everything that happened
sim seed *arguments:
    cargo test --quiet --workspace --test simulation -- seed {{ seed }} {{ arguments }}

# new seeds of the simulation until the time is over; --first SEED begins elsewhere, --seeds N stops earlier
sim-night minutes *arguments:
    cargo test --quiet --release --workspace --test simulation -- night {{ minutes }} {{ arguments }}

# each planted bug on so many seeds; writes the table in tests/simulation/README.md
sim-planted seeds="200":
    cargo test --quiet --release --workspace --test simulation -- planted {{ justfile_directory() }}/tests/simulation/README.md --seeds {{ seeds }}

# ask a local server of its own everything that its OpenAPI document says, so many examples for each operation
fuzz-api examples="100":
    #!/usr/bin/env bash
    set -euo pipefail
    venv={{ tools }}/schemathesis
    [ -x "$venv/bin/schemathesis" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet schemathesis==4.32.5; }
    tests/api_fuzzing/run "$venv/bin/schemathesis" {{ examples }}

# mutants of the ledger that the protocol suite does not notice; hours, `--shard 0/100` for a sample
mutants *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    tool={{ tools }}/bin/cargo-mutants
    [ -x "$tool" ] || cargo install --locked --root {{ tools }} cargo-mutants
    # What is planted and what fuzzes is no production code.
    "$tool" mutants --package ledger --exclude '**/planted.rs' --exclude '**/fuzz.rs' --test-workspace=true \
        --cargo-arg=--test=protocol --timeout 60 --output target {{ arguments }}

# coverage-guided fuzzing of the decoders of cursors and record batches, so many seconds each; needs a C++ compiler
fuzz-decoders seconds="60":
    #!/usr/bin/env bash
    set -euo pipefail
    cargo test --workspace --lib -- --ignored --exact fuzz::seeds::write > /dev/null
    target=$(rustc --print host-tuple)
    # The counters that libFuzzer steers by. Stable Rust has them, and no sanitizer, which safe code can do without; with a
    # target named, build scripts and macros stay without them.
    coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
    coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
    RUSTFLAGS="$coverage" cargo build --profile fuzz --package ledger --features fuzz --examples --target "$target" --target-dir target/fuzz
    for decoder in cursor record-batch; do
        mkdir -p "target/fuzz/found/$decoder"
        program=target/fuzz/$target/fuzz/examples/fuzz-$decoder
        # A decoder that believes a lie about a length runs into the limit of memory.
        "$program" -max_total_time={{ seconds }} -rss_limit_mb=512 -timeout=10 -max_len=8192 -print_final_stats=1 \
            -artifact_prefix="target/fuzz/found/$decoder/" "target/fuzz/corpus/$decoder" 2> "target/fuzz/$decoder.log" ||
            { tail -n 40 "target/fuzz/$decoder.log" >&2; exit 1; }
        echo "$decoder: $(grep DONE "target/fuzz/$decoder.log"), of $(grep -o '[0-9]* inline 8-bit counters' "target/fuzz/$decoder.log")"
    done
