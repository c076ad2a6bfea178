;; Has a function of a kind whose interface it does not export.
(data (i32.const 120) "\01")
