//! What to do and what to say, play by play.
//!
//! Owns: the words alone. They speak of homes, prices and steps; never of who lives where or of who the person is.

use leadscore_domain::Approach;

/// The words of a play.
pub(super) struct Words {
    pub(super) approach: Approach,
    /// What to do, in one line.
    pub(super) summary: &'static str,
    /// What to say: two or three lines.
    pub(super) talking_points: &'static [&'static str],
}

/// The words of `approach`.
pub(super) fn of(approach: Approach) -> &'static Words {
    &PLAYS[match approach {
        Approach::PremiumPropertyFocus => 0,
        Approach::FirstTimeBuyerGuidance => 1,
        Approach::FinancingHelp => 2,
        Approach::MarketTiming => 3,
        Approach::OfferShowing => 4,
        Approach::SellerValuation => 5,
        Approach::RentalMatch => 6,
        Approach::Reactivation => 7,
        Approach::Discovery => 8,
        Approach::InvestmentAnalysis => 9,
        Approach::OfferSupport => 10,
        Approach::TrustRepair => 11,
        Approach::BudgetAlternatives => 12,
        Approach::Nurturing => 13,
    }]
}

/// Every play.
pub(super) static PLAYS: [Words; 14] = [
    Words {
        approach: Approach::PremiumPropertyFocus,
        summary: "Show homes at the upper end of the market",
        talking_points: &[
            "I picked three homes at the upper end of what is for sale.",
            "Which features matter most to you: space, view, finish?",
            "I can arrange private showings at a time that suits you.",
        ],
    },
    Words {
        approach: Approach::FirstTimeBuyerGuidance,
        summary: "Explain the steps of a purchase, one at a time",
        talking_points: &[
            "Shall I walk you through the steps from search to keys?",
            "A pre-approval first tells you what you can spend.",
            "I will send you a short list of costs to expect.",
        ],
    },
    Words {
        approach: Approach::FinancingHelp,
        summary: "Clear up financing before the next showing",
        talking_points: &[
            "Would a monthly figure for this price help you decide?",
            "I can put you in touch with several lenders to compare.",
            "A pre-approval makes an offer stronger.",
        ],
    },
    Words {
        approach: Approach::MarketTiming,
        summary: "Show what the market does and what waiting means",
        talking_points: &[
            "Here is how prices and supply moved in the area you chose.",
            "What would have to happen for you to go ahead?",
            "We can set a date to look at the figures again.",
        ],
    },
    Words {
        approach: Approach::OfferShowing,
        summary: "Book a showing now",
        talking_points: &[
            "You asked to see a home: would tomorrow or the weekend suit you?",
            "I can line up two similar homes for the same trip.",
        ],
    },
    Words {
        approach: Approach::SellerValuation,
        summary: "Offer a valuation of the lead's own home",
        talking_points: &[
            "I can tell you what comparable homes sold for this quarter.",
            "What matters more to you, the price or the date?",
            "Shall I come by for a valuation, without obligation?",
        ],
    },
    Words {
        approach: Approach::RentalMatch,
        summary: "Match rental listings and explain the terms",
        talking_points: &[
            "I have rentals in your range; when would you like to move in?",
            "Let me explain deposit, lease length and what to bring.",
        ],
    },
    Words {
        approach: Approach::Reactivation,
        summary: "Win back a lead that went silent",
        talking_points: &[
            "It has been a while; is a move still on your mind?",
            "A few homes came up that fit what you looked at.",
            "If plans have changed, tell me and I will leave you in peace.",
        ],
    },
    Words {
        approach: Approach::Discovery,
        summary: "Learn what the lead wants, by when and for how much",
        talking_points: &[
            "What would your next home need to have?",
            "By when would you like to have moved?",
            "Which price range feels comfortable?",
        ],
    },
    Words {
        approach: Approach::InvestmentAnalysis,
        summary: "Talk about yield, cash flow and homes that are let",
        talking_points: &[
            "I can send rent, costs and yield for three homes.",
            "Do you look for income now or for growth in value?",
            "Which condition is acceptable: let, vacant, to renovate?",
        ],
    },
    Words {
        approach: Approach::OfferSupport,
        summary: "Help with an offer",
        talking_points: &[
            "Here is what comparable homes sold for, so you can name a price.",
            "Let us settle price, conditions and date of the offer today.",
            "I will tell you each step until the seller answers.",
        ],
    },
    Words {
        approach: Approach::TrustRepair,
        summary: "Make up for a conversation that went badly",
        talking_points: &[
            "I would like to hear what went wrong, and put it right.",
            "What would you want us to do differently?",
            "You decide how and how often we are in touch.",
        ],
    },
    Words {
        approach: Approach::BudgetAlternatives,
        summary: "Show homes that cost less",
        talking_points: &[
            "You found the price too high: here are homes below it.",
            "Would a smaller home, or another area, be worth a look?",
            "Some of these prices were reduced this month.",
        ],
    },
    Words {
        approach: Approach::Nurturing,
        summary: "Stay in touch at a pace that suits the lead",
        talking_points: &[
            "No hurry: may I send you a market update once a month?",
            "When would be a good time to talk again?",
        ],
    },
];
