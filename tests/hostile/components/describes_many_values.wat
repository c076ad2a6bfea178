;; Its config schema is a list of 65,536 numbers.
(memory $memory 4)
(data (i32.const 132) "\01\00\00\00\00\00\01\00\01\00\02\00")
(func $describe (result i32) (local $i i32)
  (i32.store8 (i32.const 65536) (i32.const 0x5b))
  (loop $next
    (i32.store16 (i32.add (i32.const 65537) (i32.mul (local.get $i) (i32.const 2))) (i32.const 0x2c30))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $i) (i32.const 65535))))
  (i32.store16 (i32.const 196607) (i32.const 0x5d30))
  (i32.const 160))
