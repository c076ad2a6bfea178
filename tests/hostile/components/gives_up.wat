;; Returns err("no\1b[2J luck").
(data (i32.const 256) "\01\00\00\00\00\08\00\00\0c\00\00\00")
(data (i32.const 2048) "no\1b[2J luck\0a")
