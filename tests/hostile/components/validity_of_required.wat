;; Says that rows have no value, in a column whose rows all have one.
(data (i32.const 340) "\01\00\00\00\00\20\00\00\01\00\00\00")
