#!/bin/bash
# cp_heavy.sh CEDE_CP INTERRUPT_AFTER WORK [ROUNDS SEED]: the heavy run. A tree of more than 10,000
# files and 1 GiB is copied with --verify and compared, then copied under 100 interrupts. WORK needs
# 4 GiB; on a memory file system it is faster and sees more races. Not part of the test suite.
set -euo pipefail
here=$(dirname "$0")
cp=$1 interrupt_after=$2 work=$3 rounds=${4:-100} seed=${5:-$$}

bash "$here/cp_tree.sh" "$cp" "$work/tree" 12000 16
bash "$here/cp_interrupt.sh" "$cp" "$interrupt_after" "$work/interrupt" "$rounds" "$seed" 12000 16
