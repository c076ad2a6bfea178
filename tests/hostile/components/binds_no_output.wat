;; Has no output.
(data (i32.const 192) "\00")
