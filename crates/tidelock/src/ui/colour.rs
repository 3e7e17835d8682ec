use std::io::IsTerminal;

/// Colours, or none: only on a terminal, and never when `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colours(bool);

impl Colours {
    /// As it suits the stream.
    pub fn of(stream: &impl IsTerminal) -> Colours {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Colours(stream.is_terminal() && !refused)
    }

    /// Bad.
    pub fn red(self, text: &str) -> String {
        self.paint("31;1", text)
    }

    /// Worth a look.
    pub fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Good.
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Less important.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// More important.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
