;; Returns no output where its binding has one.
(data (i32.const 264) "\00\00\00\00")
