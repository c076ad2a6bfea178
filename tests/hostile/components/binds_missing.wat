;; Reads column `y`, which the stream does not have.
(data (i32.const 32) "\12")
