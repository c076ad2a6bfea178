;; Returns a pointer to nowhere.
(func $apply (param i32 i32 i32) (result i32) (i32.const -4))
