//! The codes of this crate's errors.

flowgate_base::codes! {
    pub
    NOT_A_PLUGIN = user(600, "a folder holds no plugin that can be built");
    TOOL_FAILED = external(601, "a tool that builds plugins failed");
    NOT_COMPILED = user(602, "a plugin does not compile");
    FOREIGN_IMPORT = user(603, "a dependency needs what the sandbox does not have");
    NOT_A_COMPONENT = user(604, "a module cannot become a component");
    TOOLS_MISSING = user(605, "the tools that build plugins are missing");
    NEW_PLUGIN = user(606, "a new plugin cannot have this name or folder");
    NO_HOME = user(607, "there is no folder for caches");
}
