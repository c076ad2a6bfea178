;; Has 1 GiB of memory from the start.
(memory $memory 16384)
