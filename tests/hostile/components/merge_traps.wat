;; An aggregate that traps in merge.
(func $merge (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
