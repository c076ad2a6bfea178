//! The engine that runs wasm code: what it supports, and what it does not.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy, WasmBacktraceDetails,
};

use super::compile::CompileIn;
use super::limits::Limits;
use flowgate_base::error::{Error, Result};

/// The engine that runs plugins: instances come from a pool whose address space is reserved once.
pub(super) fn to_run(limits: &Limits, compile_in: &CompileIn) -> Result<Engine> {
    let per_component = u32::try_from(limits.core_instances_max).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(limits.instances_max)
        .total_core_instances(limits.instances_max.saturating_mul(4))
        .total_memories(limits.instances_max)
        .total_tables(limits.instances_max.saturating_mul(4))
        .max_core_instances_per_component(per_component)
        .max_memories_per_component(per_component)
        .max_tables_per_component(per_component)
        .max_tables_per_module(per_component.min(20))
        .max_memories_per_module(1)
        .table_elements(limits.table_elements_max)
        .max_memory_size(limits.memory_bytes_max)
        .max_unused_warm_slots(16);
    let mut config = config(limits, compile_in);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    engine(&config)
}

/// The engine that compiles plugins, in a process whose address space is limited: without the pool.
pub(super) fn to_compile(limits: &Limits, compile_in: &CompileIn) -> Result<Engine> {
    engine(&config(limits, compile_in))
}

fn engine(config: &Config) -> Result<Engine> {
    Engine::new(config).map_err(|e| Error::internal(format!("the WebAssembly engine does not start: {e:#}")))
}

/// What both engines have in common; machine code of the one is run by the other.
fn config(limits: &Limits, compile_in: &CompileIn) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // Which NaN an operation returns must not depend on the machine: a call repeated after a recovery returns the same bits.
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes_max)
        .wasm_component_model(true)
        // What the languages' toolchains do not need is off: each feature has had its advisory.
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .concurrency_support(false);
    if *compile_in == CompileIn::ToDebug {
        config
            .cranelift_opt_level(OptLevel::None)
            .debug_info(true)
            .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_the_compiling_engine_runs_on_the_running_one() {
        let (limits, component) = (Limits::default(), wat::parse_str("(component)").unwrap());
        for compile_in in [CompileIn::ThisProcess, CompileIn::ToDebug] {
            let code = to_compile(&limits, &compile_in).unwrap().precompile_component(&component).unwrap();
            let engine = to_run(&limits, &compile_in).unwrap();
            // SAFETY: the bytes come from our own compiler, two lines above.
            unsafe { wasmtime::component::Component::deserialize(&engine, &code) }.unwrap();
        }
    }
}
