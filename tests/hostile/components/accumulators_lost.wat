;; An aggregate that returns one accumulator too few.
(func $accumulators (param i32 i32 i32 i32) (result i32)
  (i32.store (i32.const 388) (local.get 0)) (i32.store (i32.const 392) (i32.sub (local.get 1) (i32.const 1)))
  (i32.store (i32.const 396) (local.get 2)) (i32.store (i32.const 400) (local.get 3))
  (i32.const 384))
