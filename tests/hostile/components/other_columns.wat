;; Returns no column where its binding has one.
(data (i32.const 304) "\00\00\00\00")
