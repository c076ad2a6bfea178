;; Never returns memory for the columns, which the host requests during a call. Small requests are those of `open`.
(func $realloc (param i32 i32 i32 i32) (result i32)
  (if (i32.eq (local.get 3) (i32.const 32)) (then (loop $forever (br $forever))))
  (global.set $top (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
  (global.get $top)
  (global.set $top (i32.add (global.get $top) (local.get 3))))
