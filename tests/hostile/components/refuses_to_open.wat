;; Refuses to open, for 200 reasons without words.
(data (i32.const 176) "\01\00\00\00\00\08\00\00\c8\00\00\00")
