//! What to do and what to say, play by play.
//!
//! Owns: the words alone. They speak of homes, prices and steps; never of who lives where or of who the person is.

use leadscore_domain::{Approach, RetentionStrategy};

/// The words of a play.
pub(super) struct Words<Of> {
    pub(super) play: Of,
    /// What to do, in one line.
    pub(super) summary: &'static str,
    /// What to say: two or three lines.
    pub(super) talking_points: &'static [&'static str],
}

/// The words of `approach`.
pub(super) fn of(approach: Approach) -> &'static Words<Approach> {
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
pub(super) static PLAYS: [Words<Approach>; 14] = [
    Words {
        play: Approach::PremiumPropertyFocus,
        summary: "Show homes at the upper end of the market",
        talking_points: &[
            "I picked three homes at the upper end of what is for sale.",
            "Which features matter most to you: space, view, finish?",
            "I can arrange private showings at a time that suits you.",
        ],
    },
    Words {
        play: Approach::FirstTimeBuyerGuidance,
        summary: "Explain the steps of a purchase, one at a time",
        talking_points: &[
            "Shall I walk you through the steps from search to keys?",
            "A pre-approval first tells you what you can spend.",
            "I will send you a short list of costs to expect.",
        ],
    },
    Words {
        play: Approach::FinancingHelp,
        summary: "Clear up financing before the next showing",
        talking_points: &[
            "Would a monthly figure for this price help you decide?",
            "I can put you in touch with several lenders to compare.",
            "A pre-approval makes an offer stronger.",
        ],
    },
    Words {
        play: Approach::MarketTiming,
        summary: "Show what the market does and what waiting means",
        talking_points: &[
            "Here is how prices and supply moved in the area you chose.",
            "What would have to happen for you to go ahead?",
            "We can set a date to look at the figures again.",
        ],
    },
    Words {
        play: Approach::OfferShowing,
        summary: "Book a showing now",
        talking_points: &[
            "You asked to see a home: would tomorrow or the weekend suit you?",
            "I can line up two similar homes for the same trip.",
        ],
    },
    Words {
        play: Approach::SellerValuation,
        summary: "Offer a valuation of the lead's own home",
        talking_points: &[
            "I can tell you what comparable homes sold for this quarter.",
            "What matters more to you, the price or the date?",
            "Shall I come by for a valuation, without obligation?",
        ],
    },
    Words {
        play: Approach::RentalMatch,
        summary: "Match rental listings and explain the terms",
        talking_points: &[
            "I have rentals in your range; when would you like to move in?",
            "Let me explain deposit, lease length and what to bring.",
        ],
    },
    Words {
        play: Approach::Reactivation,
        summary: "Win back a lead that went silent",
        talking_points: &[
            "It has been a while; is a move still on your mind?",
            "A few homes came up that fit what you looked at.",
            "If plans have changed, tell me and I will leave you in peace.",
        ],
    },
    Words {
        play: Approach::Discovery,
        summary: "Learn what the lead wants, by when and for how much",
        talking_points: &[
            "What would your next home need to have?",
            "By when would you like to have moved?",
            "Which price range feels comfortable?",
        ],
    },
    Words {
        play: Approach::InvestmentAnalysis,
        summary: "Talk about yield, cash flow and homes that are let",
        talking_points: &[
            "I can send rent, costs and yield for three homes.",
            "Do you look for income now or for growth in value?",
            "Which condition is acceptable: let, vacant, to renovate?",
        ],
    },
    Words {
        play: Approach::OfferSupport,
        summary: "Help with an offer",
        talking_points: &[
            "Here is what comparable homes sold for, so you can name a price.",
            "Let us settle price, conditions and date of the offer today.",
            "I will tell you each step until the seller answers.",
        ],
    },
    Words {
        play: Approach::TrustRepair,
        summary: "Make up for a conversation that went badly",
        talking_points: &[
            "I would like to hear what went wrong, and put it right.",
            "What would you want us to do differently?",
            "You decide how and how often we are in touch.",
        ],
    },
    Words {
        play: Approach::BudgetAlternatives,
        summary: "Show homes that cost less",
        talking_points: &[
            "You found the price too high: here are homes below it.",
            "Would a smaller home, or another area, be worth a look?",
            "Some of these prices were reduced this month.",
        ],
    },
    Words {
        play: Approach::Nurturing,
        summary: "Stay in touch at a pace that suits the lead",
        talking_points: &[
            "No hurry: may I send you a market update once a month?",
            "When would be a good time to talk again?",
        ],
    },
];

/// The words of a retention strategy.
pub(super) fn of_retention(strategy: RetentionStrategy) -> &'static Words<RetentionStrategy> {
    &RETENTION[match strategy {
        RetentionStrategy::KeepPace => 0,
        RetentionStrategy::AnswerNow => 1,
        RetentionStrategy::RepairConversation => 2,
        RetentionStrategy::RebookShowing => 3,
        RetentionStrategy::SolveFinancing => 4,
        RetentionStrategy::AdjustPrice => 5,
        RetentionStrategy::SlowDown => 6,
        RetentionStrategy::ChangeChannel => 7,
        RetentionStrategy::FreshListings => 8,
        RetentionStrategy::CheckIn => 9,
    }]
}

/// Every retention strategy.
pub(super) static RETENTION: [Words<RetentionStrategy>; 10] = [
    Words {
        play: RetentionStrategy::KeepPace,
        summary: "Keep the present pace",
        talking_points: &[
            "I will keep sending what fits; tell me if it is too much.",
            "Is there anything you would like to see next?",
        ],
    },
    Words {
        play: RetentionStrategy::AnswerNow,
        summary: "Answer what the lead asked, at once",
        talking_points: &[
            "You asked us something: here is the answer.",
            "Is there anything else you would like to know?",
        ],
    },
    Words {
        play: RetentionStrategy::RepairConversation,
        summary: "Let another person call and make good for the last conversation",
        talking_points: &[
            "I heard our last talk did not go well, and I am sorry.",
            "What would make it right for you?",
            "I will look after you myself from here on.",
        ],
    },
    Words {
        play: RetentionStrategy::RebookShowing,
        summary: "Fix a new date for the showing that did not take place",
        talking_points: &[
            "The showing did not work out: which day suits you better?",
            "I can send a short video first, so the trip is worth it.",
        ],
    },
    Words {
        play: RetentionStrategy::SolveFinancing,
        summary: "Talk about financing before homes",
        talking_points: &[
            "Shall we work out a monthly figure first?",
            "Several lenders answer within a day; I can send you contacts.",
            "With that settled we look at homes again.",
        ],
    },
    Words {
        play: RetentionStrategy::AdjustPrice,
        summary: "Send fresh listings below the price that was objected to",
        talking_points: &["Here are homes that cost less than the last ones.", "Which price would feel right to you?"],
    },
    Words {
        play: RetentionStrategy::SlowDown,
        summary: "Contact less often, and agree on a date for the next time",
        talking_points: &[
            "I will give you time; when may I get in touch again?",
            "Until then you only hear from me if you ask.",
        ],
    },
    Words {
        play: RetentionStrategy::ChangeChannel,
        summary: "Stop calling; try a message or an e-mail",
        talking_points: &[
            "I tried to call; is a message easier for you?",
            "One line is enough: still looking, or not now?",
        ],
    },
    Words {
        play: RetentionStrategy::FreshListings,
        summary: "Send new listings that fit the latest search",
        talking_points: &["These came up since your latest search.", "Shall I hold a showing for one of them?"],
    },
    Words {
        play: RetentionStrategy::CheckIn,
        summary: "Write a personal word: what is new in the lead's market",
        talking_points: &[
            "It has been quiet; here is what changed in your market.",
            "Has anything changed on your side?",
        ],
    },
];
