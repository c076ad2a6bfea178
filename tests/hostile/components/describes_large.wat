;; Its documentation has 10 MiB.
(data (i32.const 124) "\00\00\00\00\00\00\a0\00")
(memory $memory 200)
