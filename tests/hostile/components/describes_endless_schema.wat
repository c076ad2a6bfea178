;; Its config schema refers to itself without end.
(data (i32.const 132) "\01\00\00\00\00\08\00\00\0d\00\00\00")
(data (i32.const 2048) "{\22$ref\22: \22#\22}")
