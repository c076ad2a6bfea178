;; Selects row 1,000,000.
(data (i32.const 288) "\01\00\00\00\00\08\00\00\01\00\00\00")
(data (i32.const 2048) "\40\42\0f\00")
(func $apply (param i32 i32 i32) (result i32) (i32.store (i32.const 328) (i32.const 2)) (i32.const 256))
