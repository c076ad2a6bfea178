;; An aggregate whose accumulators have 70,000 bytes in all.
(func $accumulators (param i32 i32 i32 i32) (result i32)
  (i32.store (i32.const 388) (local.get 0)) (i32.store (i32.const 392) (local.get 1))
  (i32.store (i32.sub (i32.add (local.get 0) (i32.shl (local.get 1) (i32.const 2))) (i32.const 4)) (i32.const 70000))
  (i32.store (i32.const 396) (i32.const 0)) (i32.store (i32.const 400) (i32.const 70000))
  (i32.const 384))
