//! The word lists of the lexicon: sentiment, negators, intensifiers, questions and phrases by topic.
//!
//! Owns: the data alone. Written for talk about homes; apostrophes are left out, all is lower case.

use super::signal::Signal;

/// Words by weight, in hundredths.
pub(super) const WEIGHTS: &[(i32, &str)] = &[
    (
        300,
        "love loved loves loving amazing awesome excellent fantastic wonderful perfect perfectly outstanding incredible \
         superb thrilled ecstatic delighted delightful gorgeous stunning best brilliant",
    ),
    (
        200,
        "great good nice happy glad excited exciting beautiful lovely enjoy enjoyed enjoying pleased pleasant helpful \
         impressed impressive appreciate appreciated thank thanks thankful grateful interested interesting recommend \
         recommended satisfied eager keen friendly cool favorite favourite ideal sweet",
    ),
    (
        120,
        "like liked likes fine okay ok works comfortable comfy easy quick quickly ready sure definitely absolutely \
         yes yeah yep agree agreed welcome clean safe fair affordable reasonable promising nicely well clear hope \
         hopefully worth fun fresh spacious bright better",
    ),
    (
        -120,
        "unsure doubt doubtful concerned concern concerns worried worry nervous hesitant confusing confused difficult \
         hard slow late delay delayed delays cancel cancelled canceled small old noisy problem problems issue issues \
         expensive overpriced pricey costly unfortunately sorry busy tired lost wrong missing wait waited waiting \
         unclear stuck tight steep",
    ),
    (
        -200,
        "bad unhappy disappointed disappointing disappointment annoying annoyed frustrated frustrating poor poorly \
         dislike dirty broken useless rude unprofessional unacceptable angry upset mediocre bored boring fail failed \
         fails failure waste wasted complaint complain complained ignored ugly cheap weak crap sucks sucked",
    ),
    (
        -300,
        "hate hated hates terrible horrible awful worst disgusting scam fraud liar lied ridiculous nightmare furious \
         pathetic spam harassing harassment garbage dreadful disaster",
    ),
];
/// Words that turn the next ones round; apostrophes are left out.
pub(super) const NEGATORS: &str = "not no never none nothing neither nor without hardly barely dont doesnt didnt cant cannot couldnt \
                        wont wouldnt isnt arent wasnt werent havent hasnt hadnt shouldnt aint";
/// Words that strengthen the next one.
pub(super) const BOOSTERS: &str = "very really so extremely super totally incredibly truly too quite especially";
/// Words that begin a question where the transcript has no question marks.
pub(super) const ASKERS: &str = "what when where which who why how can could would is are do does did will should may";
/// A word that ends the reach of negators and intensifiers.
pub(super) const TURN: &str = "but";

/// Phrases, of at most four words, that mark a topic of a conversation.
pub(super) const PHRASES: &[(Signal, &[&str])] = &[
    (
        Signal::ViewingAsked,
        &[
            "see it",
            "see the house",
            "see the home",
            "see the place",
            "see the property",
            "see the condo",
            "see this one",
            "see that one",
            "see them in person",
            "in person",
            "can we see",
            "could we see",
            "can i see",
            "could i see",
            "want to see",
            "like to see",
            "love to see",
            "take a look",
            "have a look",
            "come by",
            "walk through",
            "walkthrough",
            "viewing",
            "showing",
            "showings",
            "tour",
            "touring",
            "open house",
            "schedule a visit",
            "visit the",
            "look at it",
            "view it",
            "view the",
        ],
    ),
    (
        Signal::ObjectionPrice,
        &[
            "too expensive",
            "so expensive",
            "pretty expensive",
            "overpriced",
            "too much money",
            "too high",
            "too pricey",
            "pricey",
            "over budget",
            "over our budget",
            "over my budget",
            "above our budget",
            "above my budget",
            "out of budget",
            "out of our range",
            "out of my range",
            "out of our budget",
            "cant afford",
            "cannot afford",
            "more than we wanted",
            "more than i wanted",
            "price is steep",
            "a lot of money",
            "come down on price",
            "lower the price",
            "prices are crazy",
            "a bit steep",
        ],
    ),
    (
        Signal::ObjectionFinancing,
        &[
            "mortgage",
            "financing",
            "finance it",
            "interest rate",
            "interest rates",
            "down payment",
            "downpayment",
            "credit score",
            "my credit",
            "our credit",
            "the bank",
            "lender",
            "monthly payment",
            "monthly payments",
            "qualify for a",
            "closing costs",
            "not pre approved",
            "not preapproved",
            "loan",
        ],
    ),
    (
        Signal::ObjectionTiming,
        &[
            "not ready",
            "not yet",
            "not right now",
            "not in a hurry",
            "no rush",
            "no hurry",
            "next year",
            "few months",
            "couple of months",
            "six months",
            "in the spring",
            "in the fall",
            "in the summer",
            "after the holidays",
            "down the road",
            "just looking",
            "just browsing",
            "too soon",
            "too early",
            "maybe later",
            "some day",
            "someday",
            "wait and see",
            "lease is up",
            "lease ends",
            "think about it",
            "sell our house first",
            "sell my house first",
        ],
    ),
    (
        Signal::Commitment,
        &[
            "make an offer",
            "put in an offer",
            "submit an offer",
            "write an offer",
            "an offer",
            "ready to buy",
            "ready to move",
            "ready to sign",
            "ready to go",
            "sign the",
            "lets do it",
            "lets do this",
            "lets move forward",
            "move forward",
            "go ahead",
            "pre approved",
            "preapproved",
            "pre approval",
            "preapproval",
            "cash buyer",
            "pay cash",
            "paying cash",
            "as soon as possible",
            "asap",
            "right away",
            "this week",
            "this weekend",
            "tomorrow",
            "book it",
            "sounds good",
            "count me in",
            "we want it",
            "i want it",
            "well take it",
            "ill take it",
        ],
    ),
    (
        Signal::Disinterest,
        &[
            "not interested",
            "no longer interested",
            "no longer looking",
            "not looking",
            "stop calling",
            "stop texting",
            "stop emailing",
            "take me off",
            "remove me",
            "do not call",
            "dont call",
            "leave me alone",
            "wrong number",
            "changed my mind",
            "changed our minds",
            "already bought",
            "already found",
            "found another",
            "another agent",
            "working with someone",
            "have an agent",
            "went with someone",
            "unsubscribe",
        ],
    ),
];
