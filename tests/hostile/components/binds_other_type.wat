;; Reads column `x` as text.
(data (i32.const 40) "\03")
