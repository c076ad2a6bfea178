fn main() { let a: Vec<String> = std::env::args().collect(); let core = std::fs::read(&a[1]).unwrap();
 let c = wit_component::ComponentEncoder::default().validate(true).module(&core).unwrap().encode().unwrap(); std::fs::write(&a[2], &c).unwrap();
 println!("{} -> {}", core.len(), c.len());
 for p in wasmparser::Parser::new(0).parse_all(&c) { match p { Ok(wasmparser::Payload::ComponentImportSection(s)) => for i in s { println!("import {:?}", i.unwrap().name); }, Ok(wasmparser::Payload::ComponentExportSection(s)) => for i in s { println!("export {:?}", i.unwrap().name); }, _ => {} } } }
