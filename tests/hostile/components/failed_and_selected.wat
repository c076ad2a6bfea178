;; Fails row 0, and selects it with all the others.
(data (i32.const 268) "\00\08\00\00\01\00\00\00")
