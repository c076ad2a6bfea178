;; Its function's name is a terminal escape.
(data (i32.const 112) "\00\08\00\00\08\00\00\00")
(data (i32.const 2048) "\1b[31mred")
