;; Its config schema is not a JSON Schema.
(data (i32.const 132) "\01\00\00\00\00\08\00\00\15\00\00\00")
(data (i32.const 2048) "{\22type\22: \22nonsense\22}  ")
