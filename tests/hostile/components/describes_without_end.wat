;; Describes 100,000,000 functions.
(func $describe (result i32) (i32.store (i32.const 164) (i32.const 100000000)) (i32.const 160))
