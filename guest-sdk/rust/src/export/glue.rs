//! The exported symbols. A component must export exactly what its type says, so each plugin writes those of its kinds.

/// Exports the functions of one interface. Used by [`plugin!`](crate::plugin).
#[doc(hidden)]
#[macro_export]
macro_rules! __export_functions {
    (operator $plugin:path) => {
        #[unsafe(export_name = "flowgate:plugin/operator@0.1.0#describe")]
        extern "C" fn describe() -> *const u8 {
            $crate::__export::describe(&$plugin)
        }

        #[unsafe(export_name = "flowgate:plugin/operator@0.1.0#open")]
        unsafe extern "C" fn open(
            function: *const u8,
            function_len: usize,
            config: *const u8,
            config_len: usize,
            inputs: *const u8,
            inputs_len: usize,
        ) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe {
                $crate::__export::open(&$plugin, (function, function_len), (config, config_len), (inputs, inputs_len))
            }
        }

        #[unsafe(export_name = "cabi_realloc")]
        unsafe extern "C" fn realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
            // SAFETY: called by the host alone.
            unsafe { $crate::__export::realloc(old, old_size, align, new_size) }
        }

        $crate::__export_functions!(
            free
            describe_returned "cabi_post_flowgate:plugin/operator@0.1.0#describe",
            open_returned "cabi_post_flowgate:plugin/operator@0.1.0#open",
        );
    };

    (transform) => {
        #[unsafe(export_name = "flowgate:plugin/transform@0.1.0#apply")]
        unsafe extern "C" fn apply(rows: u32, columns: *const u8, columns_len: usize) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe { $crate::__export::transform(rows, (columns, columns_len)) }
        }

        $crate::__export_functions!(free apply_returned "cabi_post_flowgate:plugin/transform@0.1.0#apply",);
    };

    (aggregate) => {
        #[unsafe(export_name = "flowgate:plugin/aggregate@0.1.0#update")]
        unsafe extern "C" fn update(
            offsets: *const u8,
            offsets_len: usize,
            data: *const u8,
            data_len: usize,
            groups: *const u8,
            groups_len: usize,
            rows: u32,
            columns: *const u8,
            columns_len: usize,
        ) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe {
                $crate::__export::update(
                    [(offsets, offsets_len), (data, data_len)],
                    (groups, groups_len),
                    rows,
                    (columns, columns_len),
                )
            }
        }

        #[unsafe(export_name = "flowgate:plugin/aggregate@0.1.0#merge")]
        unsafe extern "C" fn merge(
            left_offsets: *const u8,
            left_offsets_len: usize,
            left_data: *const u8,
            left_data_len: usize,
            right_offsets: *const u8,
            right_offsets_len: usize,
            right_data: *const u8,
            right_data_len: usize,
        ) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe {
                $crate::__export::merge(
                    [(left_offsets, left_offsets_len), (left_data, left_data_len)],
                    [(right_offsets, right_offsets_len), (right_data, right_data_len)],
                )
            }
        }

        #[unsafe(export_name = "flowgate:plugin/aggregate@0.1.0#finish")]
        unsafe extern "C" fn finish(
            offsets: *const u8,
            offsets_len: usize,
            data: *const u8,
            data_len: usize,
        ) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe { $crate::__export::finish([(offsets, offsets_len), (data, data_len)]) }
        }

        $crate::__export_functions!(
            free
            update_returned "cabi_post_flowgate:plugin/aggregate@0.1.0#update",
            merge_returned "cabi_post_flowgate:plugin/aggregate@0.1.0#merge",
            finish_returned "cabi_post_flowgate:plugin/aggregate@0.1.0#finish",
        );
    };

    (join) => {
        #[unsafe(export_name = "flowgate:plugin/join@0.1.0#apply")]
        unsafe extern "C" fn join(
            left_rows: u32,
            left: *const u8,
            left_len: usize,
            right_rows: u32,
            right: *const u8,
            right_len: usize,
        ) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe { $crate::__export::join((left_rows, left, left_len), (right_rows, right, right_len)) }
        }

        $crate::__export_functions!(free join_returned "cabi_post_flowgate:plugin/join@0.1.0#apply",);
    };

    (process) => {
        #[unsafe(export_name = "flowgate:plugin/process@0.1.0#on-batch")]
        unsafe extern "C" fn on_batch(
            input: u32,
            key_rows: u32,
            keys: *const u8,
            keys_len: usize,
            key_of_row: *const u8,
            key_of_row_len: usize,
            rows: u32,
            columns: *const u8,
            columns_len: usize,
        ) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe {
                $crate::__export::on_batch(
                    input,
                    (key_rows, keys, keys_len),
                    (key_of_row, key_of_row_len),
                    (rows, columns, columns_len),
                )
            }
        }

        #[unsafe(export_name = "flowgate:plugin/process@0.1.0#on-timers")]
        unsafe extern "C" fn on_timers(
            key_rows: u32,
            keys: *const u8,
            keys_len: usize,
            timers: *const u8,
            timers_len: usize,
        ) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe { $crate::__export::on_timers((key_rows, keys, keys_len), (timers, timers_len)) }
        }

        // The component has it only if its type says so: if a slot of one of its functions migrates.
        #[unsafe(export_name = "flowgate:plugin/migrate@0.1.0#migrate")]
        unsafe extern "C" fn migrate(
            slot: *const u8,
            slot_len: usize,
            from_version: u32,
            offsets: *const u8,
            offsets_len: usize,
            data: *const u8,
            data_len: usize,
        ) -> *const u8 {
            // SAFETY: called by the host alone.
            unsafe {
                $crate::__export::migrate((slot, slot_len), from_version, [(offsets, offsets_len), (data, data_len)])
            }
        }

        $crate::__export_functions!(
            free
            migrate_returned "cabi_post_flowgate:plugin/migrate@0.1.0#migrate",
            on_batch_returned "cabi_post_flowgate:plugin/process@0.1.0#on-batch",
            on_timers_returned "cabi_post_flowgate:plugin/process@0.1.0#on-timers",
        );
    };

    (free $($name:ident $symbol:literal,)*) => {$(
        #[unsafe(export_name = $symbol)]
        extern "C" fn $name(_returned: *const u8) {
            $crate::__export::free_returned();
        }
    )*};
}
