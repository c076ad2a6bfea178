;; Has no function.
(data (i32.const 164) "\00")
