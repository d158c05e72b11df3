#!/usr/bin/env bash
# accelerate 1.15.0: on a machine without GPUs, two configured processes are one, or two that do not know of each other.
# Guess: `num_processes: 2` starts two processes that train together, or the launcher refuses.
# Seen: `distributed_type: MULTI_CPU` starts one process, in silence. `MULTI_GPU` starts two, each of which is told that it
#   is process 0 of 1: the training runs twice over, into the same folder. They find each other only if the script itself
#   asks for the CPU, PartialState(cpu=True).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check accelerate==1.15.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
for kind in MULTI_CPU MULTI_GPU; do
  printf '%s\n' "distributed_type: $kind" "num_processes: 2" "num_machines: 1" "machine_rank: 0" \
    "main_process_ip: 127.0.0.1" "main_process_port: 0" >"$kind.yaml"
done
printf '%s\n' 'import sys' 'from accelerate import PartialState' 'state = PartialState(cpu="cpu" in sys.argv)' \
  'sys.stdout.write(f"process {state.process_index} of {state.num_processes}\n")' 'state.destroy_process_group()' >script.py
run() { "$folder/venv/bin/accelerate" launch --config_file "$1.yaml" script.py ${2:-} 2>>log | sort | paste -sd, ; }
one=$(run MULTI_CPU) apart=$(run MULTI_GPU) together=$(run MULTI_GPU cpu)
echo "accelerate $("$folder/venv/bin/python" -c 'from importlib.metadata import version; print(version("accelerate"))')"
echo "  MULTI_CPU: $one"
echo "  MULTI_GPU: $apart"
echo "  MULTI_GPU, the script asks for the CPU: $together"
[ "$one" = "process 0 of 1" ]
[ "$apart" = "process 0 of 1,process 0 of 1" ]
[ "$together" = "process 0 of 2,process 1 of 2" ]
