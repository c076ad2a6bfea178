;; Migrates by the bytes of the values, looked at one after another: `F` is err("no F, please"), `T` traps, `L` loops, `C` loses
;; the last value, `O` returns offsets beyond the data, `H` makes the last value 2,000,000 bytes long. Other values stay.
(memory $memory 64)
(data (i32.const 2048) "no F, please")
(func $migrate (param $slot i32) (param $slot_bytes i32) (param $version i32)
  (param $offsets i32) (param $count i32) (param $data i32) (param $bytes i32) (result i32)
  (local $i i32) (local $byte i32) (local $last i32)
  (local.set $last (i32.add (local.get $offsets) (i32.shl (i32.sub (local.get $count) (i32.const 1)) (i32.const 2))))
  (i32.store (i32.const 384) (i32.const 0))
  (i32.store (i32.const 388) (local.get $offsets)) (i32.store (i32.const 392) (local.get $count))
  (i32.store (i32.const 396) (local.get $data)) (i32.store (i32.const 400) (local.get $bytes))
  (block $end
    (loop $next
      (br_if $end (i32.ge_u (local.get $i) (local.get $bytes)))
      (local.set $byte (i32.load8_u (i32.add (local.get $data) (local.get $i))))
      (if (i32.eq (local.get $byte) (i32.const 0x46)) ;; F
        (then
          (i32.store (i32.const 384) (i32.const 1))
          (i32.store (i32.const 388) (i32.const 2048)) (i32.store (i32.const 392) (i32.const 12))))
      (if (i32.eq (local.get $byte) (i32.const 0x54)) (then unreachable)) ;; T
      (if (i32.eq (local.get $byte) (i32.const 0x4c)) (then (loop $ever (br $ever)))) ;; L
      (if (i32.eq (local.get $byte) (i32.const 0x43)) ;; C
        (then (i32.store (i32.const 392) (i32.sub (local.get $count) (i32.const 1)))))
      (if (i32.eq (local.get $byte) (i32.const 0x4f)) ;; O
        (then (i32.store (local.get $last) (i32.const 1000))))
      (if (i32.eq (local.get $byte) (i32.const 0x48)) ;; H
        (then
          (i32.store (local.get $last) (i32.add (i32.load (i32.sub (local.get $last) (i32.const 4))) (i32.const 2000000)))
          (i32.store (i32.const 400) (i32.load (local.get $last)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
  (global.set $top (i32.const 8192))
  (i32.const 384))
