;; Returns int64s where its binding says text.
(data (i32.const 320) "\01")
