;; Returns to the host memory that it does not have.
(func $realloc (param i32 i32 i32 i32) (result i32)
  (if (result i32) (i32.eq (local.get 3) (i32.const 32))
    (then (i32.const -256))
    (else
      (global.set $top (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
      (global.get $top)
      (global.set $top (i32.add (global.get $top) (local.get 3))))))
