#!/usr/bin/env bash
# Device tests and a speed and memory card of one GPU: benchmarks/gpu.sh [RESULTS] [WHEELS]
# RESULTS: folder for card.json, card.md and the logs. WHEELS: folder of wheels for what this python3 lacks.
# Every stage has its own time limit, so a failing one leaves the others their time.
set -u
cd "$(dirname "$0")/.." || exit 1
out=${1:-${OUT:-gpu-results}}
mkdir -p "$out"
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD/src
if [ -n "${2:-}" ]; then
    site=$(mktemp -d)
    timeout 60 python3 -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$site" "$2"/*.whl
    export PYTHONPATH=$PYTHONPATH:$site
fi
timeout 40 python3 -c '
import torch, transformers, sys
print("python", sys.version.split()[0], "torch", torch.__version__, "transformers", transformers.__version__)
print("card:", torch.cuda.get_device_name(0), torch.cuda.mem_get_info())' 2>&1 | tee "$out/machine.txt"
timeout 90 python3 -m pytest -q -rfEs tests/engines/local/test_cuda.py 2>&1 | tee "$out/tests.txt" | tail -60
: > "$out/card.jsonl"
for variant in bfloat16,shared bfloat16,shared,graphs float32,shared,graphs bfloat16,copies; do
    echo "== $variant"
    timeout 100 python3 benchmarks/gpu_card.py "$variant" ${FORAGE_CARD_FLAGS:-} > "$out/last.txt" 2> "$out/err.txt" \
        && tail -n 1 "$out/last.txt" | tee -a "$out/card.jsonl" || { echo "failed: rc $?"; tail -25 "$out/err.txt"; }
done
python3 - "$out" <<'P'
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
rows = [json.loads(line) for line in (out / "card.jsonl").read_text().splitlines()]
(out / "card.json").write_text(json.dumps(rows, indent=1))
stages = ("sampling", "logprobs", "update")
lines = ["| numbers | starts | decoding | " + " | ".join(f"{s}: s, tokens/s, GiB" for s in stages) + " | log-probability gap |"]
lines.append("|---" * 7 + "|")
for r in rows:
    cells = [f"{r[s + '_s']:.2f}, {r['tokens'] / r[s + '_s']:.0f}, {r[s + '_gib']:.1f}" for s in stages]
    starts = "shared" if r["share_starts"] else "copied"
    decoding = "graphs" if r["graphs"] else "kernel by kernel"
    lines.append(f"| {r['dtype']} | {starts} | {decoding} | " + " | ".join(cells) + f" | {r['largest_logprob_gap']:.1e} |")
(out / "card.md").write_text("\n".join(lines) + "\n")
print("\n".join(lines))
P
rm -f "$out/last.txt" "$out/err.txt" "$out/card.jsonl"
