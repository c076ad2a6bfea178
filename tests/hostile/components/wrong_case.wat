;; The column's values are of case 77 of 6.
(data (i32.const 320) "\4d")
