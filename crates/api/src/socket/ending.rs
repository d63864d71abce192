//! Why the server ends a live connection.

/// A reason, with the code of the frame that closes (RFC 6455, section 7.4; from 4000 on our own).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client has left.
    Left,
    /// The server stops.
    ShuttingDown,
    /// A message was no text.
    NoText,
    /// A message was too large.
    TooLarge,
    /// Nobody can say at present who the client is.
    Unavailable,
    /// The token is none, or has ended.
    Unauthenticated,
    /// The client did not say in time who it is.
    Silent,
    /// The role or the scopes do not allow this any more.
    Forbidden,
    /// The client reads too slowly, or not at all.
    TooSlow,
    /// The client sends too many messages.
    TooFast,
    /// The user or key has too many connections.
    TooMany,
}

impl Ending {
    /// Every ending.
    pub const ALL: [Self; 11] = [
        Self::Left,
        Self::ShuttingDown,
        Self::NoText,
        Self::TooLarge,
        Self::Unavailable,
        Self::Unauthenticated,
        Self::Silent,
        Self::Forbidden,
        Self::TooSlow,
        Self::TooFast,
        Self::TooMany,
    ];

    /// The code of the frame that closes.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Left => 1000,
            Self::ShuttingDown => 1001,
            Self::NoText => 1003,
            Self::TooLarge => 1009,
            Self::Unavailable => 1013,
            Self::Unauthenticated | Self::Silent => 4401,
            Self::Forbidden => 4403,
            Self::TooSlow => 4408,
            Self::TooFast | Self::TooMany => 4429,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::ShuttingDown => "shutting-down",
            Self::NoText => "no-text",
            Self::TooLarge => "too-large",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::Silent => "silent",
            Self::Forbidden => "forbidden",
            Self::TooSlow => "too-slow",
            Self::TooFast => "too-fast",
            Self::TooMany => "too-many-connections",
        }
    }
}
