;; Grows its memory page by page, and touches each page.
(func $apply (param i32 i32 i32) (result i32)
  (local $page i32)
  (loop $more
    (local.set $page (memory.grow (i32.const 1)))
    (i32.store (i32.shl (local.get $page) (i32.const 16)) (i32.const 1))
    (br_if $more (i32.ne (local.get $page) (i32.const -1))))
  unreachable)
