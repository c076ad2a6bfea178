mod golden;
mod graph;
mod mutated;
