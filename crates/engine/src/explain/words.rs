//! What each feature is called in a reason.
//!
//! Owns: the table from feature and value to words, nothing else. Invariant: every feature of the catalogue has a row
//! (a test sees to it), and a row states what was observed, never why. What stands in braces is filled in by `render`;
//! of several texts the first that can be filled counts.

use super::render::{
    Topic,
    When::{self, Below, Missing, MissingAfter, Rest},
};
use crate::features::{Feature, Signal};

/// The words of one feature.
#[derive(Debug)]
pub(super) struct Wording {
    pub(super) feature: Feature,
    pub(super) topic: Topic,
    /// Whose latest time `{ago}` and `{where}` tell.
    pub(super) signals: &'static [Signal],
    /// The first that holds counts.
    pub(super) cases: &'static [(When, &'static [&'static str])],
}

macro_rules! words {
    ($($feature:ident $topic:ident [$($signal:ident)*] { $($when:expr => $($text:expr),+;)+ })*) => {
        &[$(Wording {
            feature: Feature::$feature,
            topic: Topic::$topic,
            signals: &[$(Signal::$signal),*],
            cases: &[$(($when, &[$($text),+])),+],
        }),*]
    };
}

/// One count within a window: none, one, many.
macro_rules! count {
    ($feature:ident $topic:ident $none:literal $one:literal $many:literal $window:literal $($more:literal)?) => {
        Wording {
            feature: Feature::$feature,
            topic: Topic::$topic,
            signals: &[],
            cases: &[
                (Below(0.5), &[concat!($none, " in the last ", $window)]),
                (Below(1.5), &[
                    $(concat!($one, " in the last ", $window, $more),)?
                    concat!($one, " in the last ", $window),
                ]),
                (Rest, &[
                    $(concat!($many, " in the last ", $window, $more),)?
                    concat!($many, " in the last ", $window),
                ]),
            ],
        }
    };
}

/// The six features of a kind of activity.
macro_rules! activity {
    (
        $day:ident $week:ident $month:ident $quarter:ident $decay:ident $days:ident, $topic:ident [$($signal:ident)*],
        $none:literal $one:literal $many:literal $($more:literal)?, $last:literal, $($missing:expr => $never:literal)?
    ) => {
        [
            count!($day $topic $none $one $many "day" $($more)?),
            count!($week $topic $none $one $many "7 days" $($more)?),
            count!($month $topic $none $one $many "30 days" $($more)?),
            count!($quarter $topic $none $one $many "90 days" $($more)?),
            Wording {
                feature: Feature::$decay,
                topic: Topic::$topic,
                signals: &[$(Signal::$signal),*],
                cases: &[
                    (Below(1e-6), &[concat!($none, " in the last 90 days")]),
                    (Rest, &[concat!($last, " {ago}"), concat!($last, " in the last 90 days")]),
                ],
            },
            Wording {
                feature: Feature::$days,
                topic: Topic::$topic,
                signals: &[],
                cases: &[$(($missing, &[$never]),)? (Rest, &[concat!($last, " {since}")])],
            },
        ]
    };
}

/// Activity by window.
pub(super) static ACTIVITY: [[Wording; 6]; 9] = [
    activity!(Web1d Web7d Web30d Web90d WebDecay7d WebDays, Web [WebSession PageView],
        "No visit to the web site" "1 visit to the web site" "{n} visits to the web site",
        "Visited the web site", Missing => "Never seen on the web site"),
    activity!(Search1d Search7d Search30d Search90d SearchDecay7d SearchDays,
        Search [SearchBuy SearchRent ListingSaved],
        "No search and no home saved" "Searched or saved a home once" "Searched or saved homes {n} times"
        ", around {price}", "Searched or saved a home", Missing => "Never searched or saved a home"),
    activity!(Showing1d Showing7d Showing30d Showing90d ShowingDecay7d ShowingDays,
        Showing [ShowingRequested ShowingScheduled ShowingHeld],
        "No step towards a showing" "1 step towards a showing" "{n} steps towards a showing",
        "Took a step towards a showing", Missing => "No showing asked for so far"),
    activity!(Email1d Email7d Email30d Email90d EmailDecay7d EmailDays, Email [EmailOpened EmailClicked EmailForwarded],
        "No e-mail opened or clicked" "1 e-mail opened or clicked" "{n} opens and clicks of e-mails",
        "Opened or clicked an e-mail", MissingAfter(Signal::EmailSent) => "Never opened one of our e-mails"),
    activity!(Inbound1d Inbound7d Inbound30d Inbound90d InboundDecay7d InboundDays,
        Inbound [CallIn MessageIn EmailReplied],
        "No call or message from the lead" "1 call or message from the lead" "{n} calls and messages from the lead",
        "Called or wrote to us", Missing => "Never called or wrote to us"),
    activity!(Talk1d Talk7d Talk30d Talk90d TalkDecay7d TalkDays, Answers [CallOutAnswered],
        "None of our calls answered" "1 of our calls answered" "{n} of our calls answered",
        "Answered our call", MissingAfter(Signal::CallOut) => "Never answered a call"),
    activity!(Outbound1d Outbound7d Outbound30d Outbound90d OutboundDecay7d OutboundDays,
        Outreach [CallOutMissed MessageOut EmailSent],
        "No message or missed call from us" "1 message or missed call from us" "{n} messages or missed calls from us",
        "We wrote or called in vain", Missing => "We have not written or called in vain yet"),
    activity!(Agent1d Agent7d Agent30d Agent90d AgentDecay7d AgentDays, AgentWork [AgentAction],
        "Nothing done by the agent" "1 action by the agent" "{n} actions by the agent",
        "The agent did something", Missing => "Nothing done by the agent yet"),
    activity!(Activity1d Activity7d Activity30d Activity90d ActivityDecay7d ActivityDays, Activity [],
        "Nothing heard of the lead" "Active once" "Active {n} times",
        "Last active", Missing => "Nothing heard of the lead yet"),
];

/// Everything else.
pub(super) static OTHERS: &[Wording] = words! {
    ActivityDecay1d Activity [] {
        Below(0.2) => "Nothing heard of the lead in the last 2 days"; Rest => "Active within the last 2 days"; }
    ActivityDecay30d Activity [] {
        Below(0.2) => "Hardly active in the last 90 days"; Rest => "Active within the last 90 days"; }
    ActivityPace Activity [] {
        Below(-0.2) => "Less active this week than before"; Below(0.2) => "As active this week as before";
        Rest => "More active this week than before"; }
    ActiveDays Activity [] {
        Below(0.5) => "Not active on any of the last 90 days"; Below(1.5) => "Active on 1 of the last 90 days";
        Rest => "Active on {n} of the last 90 days"; }
    PageCount Web [] {
        Below(0.5) => "No page of the web site seen"; Below(1.5) => "Saw 1 page of the web site";
        Rest => "Saw {n} pages of the web site"; }
    PagesPerSession Web [] { Rest => "{x} pages on each visit to the web site"; }
    SessionMinutesMean Web [] { Rest => "Stays {minutes} on each visit to the web site"; }
    SessionMinutesMax Web [] { Rest => "Longest visit to the web site took {minutes}"; }
    DownloadCount Web [] {
        Below(0.5) => "Nothing downloaded from the web site"; Below(1.5) => "Downloaded 1 file";
        Rest => "Downloaded {n} files"; }
    ListingViews Listings [PageListing] {
        Below(0.5) => "No listing viewed"; Below(1.5) => "Viewed a listing {ago}", "Viewed 1 listing";
        Rest => "Viewed {n} listings, the last {ago}", "Viewed {n} listings"; }
    ListingRepeat Listings [] {
        Below(1.25) => "Looks at each listing only once"; Rest => "Comes back to the same listings ({x} times each)"; }
    FinancingViews Financing [PageFinancing] {
        Below(0.5) => "Financing pages not visited"; Below(1.5) => "Looked at financing {ago}", "Looked at financing";
        Rest => "Looked at financing {n} times, last {ago}", "Looked at financing {n} times"; }
    ValuationViews Valuation [PageValuation] {
        Below(0.5) => "Valuation page not visited";
        Below(1.5) => "Looked at a home's value {ago}", "Looked at a home's value";
        Rest => "Looked at a home's value {n} times, last {ago}", "Looked at a home's value {n} times"; }
    ContactViews Inbound [PageContact] {
        Below(0.5) => "Contact page not visited";
        Below(1.5) => "Looked at the contact page {ago}", "Looked at the contact page";
        Rest => "Looked at the contact page {n} times"; }
    SearchCount Search [] {
        Below(0.5) => "Never searched"; Below(1.5) => "Searched once around {price}", "Searched once";
        Rest => "Searched {n} times, lately around {price}", "Searched {n} times"; }
    SavedCount Search [ListingSaved] {
        Below(0.5) => "No home saved"; Below(1.5) => "Saved a home {ago}", "Saved a home";
        Rest => "Saved {n} homes, the last {ago}", "Saved {n} homes"; }
    RentShare Renting [] {
        Below(0.05) => "Searches only homes to buy"; Below(0.95) => "{percent} of searches are for homes to rent";
        Rest => "Searches only homes to rent"; }
    PriceCentre Budget [] { Rest => "Looks around {money}"; }
    PriceWidth Focus [] {
        Below(0.25) => "Searches in a narrow price range"; Below(0.6) => "Searches in a moderate price range";
        Rest => "Searches in a wide price range"; }
    PriceNarrowing Focus [] {
        Below(-0.05) => "Price range has widened"; Below(0.05) => "Price range has not changed";
        Rest => "Price range has narrowed"; }
    PriceDrift Budget [] {
        Below(-0.03) => "Now looks {below} cheaper than on average"; Below(0.03) => "Keeps looking at the same prices";
        Rest => "Now looks {above} dearer than on average"; }
    PriceSpread Focus [] {
        Below(0.1) => "Searches stay at the same price"; Rest => "Prices searched differ by {percent}"; }
    AreaCount Focus [] { Below(1.5) => "Looks in a single area"; Rest => "Looks in {n} areas"; }
    SearchAreas Focus [] {
        Below(0.5) => "Latest search names no area"; Below(1.5) => "Latest search is in a single area";
        Rest => "Latest search covers {n} areas"; }
    AreaNarrowing Focus [] {
        Below(-0.5) => "Searches in more areas than at first"; Below(0.5) => "Searches in as many areas as at first";
        Rest => "Searches in fewer areas than at first"; }
    PropertyTypes Focus [] {
        Below(1.5) => "Looks for a single type of home"; Rest => "Looks for {n} types of homes"; }
    Bedrooms Focus [] {
        Below(0.5) => "Looks for any number of bedrooms"; Below(1.5) => "Looks for 1 bedroom or more";
        Rest => "Looks for {n} bedrooms or more"; }
    ShowingsRequested Showing [ShowingRequested] {
        Below(0.5) => "No showing asked for"; Below(1.5) => "Asked for a showing {ago}", "Asked for a showing";
        Rest => "Asked for {n} showings, the last {ago}", "Asked for {n} showings"; }
    ShowingsScheduled Showing [ShowingScheduled] {
        Below(0.5) => "No showing scheduled"; Below(1.5) => "Agreed on a showing {ago}", "Agreed on a showing";
        Rest => "Agreed on {n} showings, the last {ago}", "Agreed on {n} showings"; }
    ShowingsHeld Showing [ShowingHeld] {
        Below(0.5) => "No showing held"; Below(1.5) => "Came to a showing {ago}", "Came to a showing";
        Rest => "Came to {n} showings, the last {ago}", "Came to {n} showings"; }
    ShowingsCancelled MissedShowing [ShowingCancelled] {
        Below(0.5) => "No showing cancelled"; Below(1.5) => "A showing was cancelled {ago}", "A showing was cancelled";
        Rest => "{n} showings were cancelled, the last {ago}", "{n} showings were cancelled"; }
    ShowingsNoShow MissedShowing [ShowingNoShow] {
        Below(0.5) => "No showing missed"; Below(1.5) => "Did not come to a showing {ago}", "Did not come to a showing";
        Rest => "Did not come to {n} showings, the last {ago}", "Did not come to {n} showings"; }
    ShowingKeptShare MissedShowing [] {
        Below(0.005) => "Kept none of the showings"; Below(0.995) => "Kept {percent} of the showings";
        Rest => "Kept every showing"; }
    EmailsSent Outreach [EmailSent] {
        Below(0.5) => "No e-mail sent to the lead"; Below(1.5) => "1 e-mail sent to the lead";
        Rest => "{n} e-mails sent to the lead, the last {ago}", "{n} e-mails sent to the lead"; }
    EmailOpenRate Email [] {
        Below(0.005) => "Opened none of our e-mails"; Below(0.995) => "Opened {percent} of our e-mails";
        Rest => "Opens all of our e-mails"; }
    EmailClickRate Email [] {
        Below(0.005) => "Clicked nothing in our e-mails"; Below(0.995) => "Clicked in {percent} of our e-mails";
        Rest => "Clicks in all of our e-mails"; }
    EmailReplyRate Email [] {
        Below(0.005) => "Answered none of our e-mails"; Below(0.995) => "Answered {percent} of our e-mails";
        Rest => "Answers all of our e-mails"; }
    EmailsForwarded Email [EmailForwarded] {
        Below(0.5) => "No e-mail forwarded"; Below(1.5) => "Forwarded an e-mail {ago}", "Forwarded an e-mail";
        Rest => "Forwarded {n} e-mails, the last {ago}", "Forwarded {n} e-mails"; }
    EmailBounced EmailReach [EmailBounced] {
        Below(0.5) => "Every e-mail could be delivered"; Below(1.5) => "An e-mail bounced {ago}", "An e-mail bounced";
        Rest => "{n} e-mails bounced, the last {ago}", "{n} e-mails bounced"; }
    EmailUnsubscribed EmailReach [EmailUnsubscribed] {
        Below(0.5) => "Has not unsubscribed from e-mail";
        Rest => "Unsubscribed from e-mail {ago}", "Unsubscribed from e-mail"; }
    CallsOut Answers [CallOut] {
        Below(0.5) => "Not called yet"; Below(1.5) => "Called once, {ago}", "Called once";
        Rest => "Called {n} times, last {ago}", "Called {n} times"; }
    CallAnswerRate Answers [] {
        Below(0.005) => "Never answered a call"; Below(0.995) => "Answered {percent} of our calls";
        Rest => "Answered every call"; }
    CallsIn Inbound [CallIn] {
        Below(0.5) => "Never called us"; Below(1.5) => "Called us {ago}", "Called us once";
        Rest => "Called us {n} times, last {ago}", "Called us {n} times"; }
    CallMinutesMean CallLength [] { Rest => "Calls last {minutes} on average"; }
    CallMinutesMax CallLength [] { Rest => "Longest call lasted {minutes}"; }
    CallAiShare AiVoice [CallByAi] {
        Below(0.005) => "Spoke with people only"; Below(0.995) => "{percent} of calls were with the voice assistant";
        Rest => "Spoke with the voice assistant only"; }
    MessagesIn Inbound [MessageIn] {
        Below(0.5) => "Never sent us a message"; Below(1.5) => "Sent us a message {ago}", "Sent us a message";
        Rest => "Sent us {n} messages, the last {ago}", "Sent us {n} messages"; }
    MessagesOut Outreach [MessageOut] {
        Below(0.5) => "No message sent to the lead"; Below(1.5) => "1 message sent to the lead";
        Rest => "{n} messages sent to the lead, the last {ago}", "{n} messages sent to the lead"; }
    SentimentMean Sentiment [] {
        Below(-0.25) => "Conversations were unpleasant on the whole ({signed} of 1)";
        Below(0.25) => "Conversations were neutral on the whole ({signed} of 1)";
        Rest => "Conversations were friendly on the whole ({signed} of 1)"; }
    SentimentLast Sentiment [] {
        Below(-0.25) => "The latest conversation was unpleasant ({signed} of 1)";
        Below(0.25) => "The latest conversation was neutral ({signed} of 1)";
        Rest => "The latest conversation was friendly ({signed} of 1)"; }
    SentimentTrend Sentiment [] {
        Below(-0.1) => "Conversations are getting less friendly"; Below(0.1) => "Conversations stay in the same tone";
        Rest => "Conversations are getting friendlier"; }
    SentimentCallTrend Sentiment [] {
        Below(-0.1) => "Calls end less friendly than they begin"; Below(0.1) => "Calls keep their tone to the end";
        Rest => "Calls end friendlier than they begin"; }
    PlatformSentimentMean Sentiment [] {
        Below(-0.25) => "The call platform judged conversations as unpleasant ({signed} of 1)";
        Below(0.25) => "The call platform judged conversations as neutral ({signed} of 1)";
        Rest => "The call platform judged conversations as friendly ({signed} of 1)"; }
    PlatformSentimentLast Sentiment [] {
        Below(-0.25) => "The call platform judged the latest conversation as unpleasant ({signed} of 1)";
        Below(0.25) => "The call platform judged the latest conversation as neutral ({signed} of 1)";
        Rest => "The call platform judged the latest conversation as friendly ({signed} of 1)"; }
    LeadTalkShare Conversation [] { Rest => "Speaks {percent} of the time in calls"; }
    QuestionsPerTalk Conversation [] {
        Below(0.05) => "Asks no questions in conversations"; Rest => "Asks {x} questions in each conversation"; }
    AgentQuestions Conversation [] {
        Below(0.05) => "We ask no questions in conversations"; Rest => "We ask {x} questions in each conversation"; }
    LeadWords Conversation [] { Rest => "Says {n} words in each conversation"; }
    LeadPauseSeconds Conversation [] { Rest => "Answers in calls after {x} seconds"; }
    AgentPauseSeconds Conversation [] { Rest => "We answer in calls after {x} seconds"; }
    LeadInterruptShare Conversation [] {
        Below(0.005) => "Lets us finish in calls"; Rest => "Interrupts us in {percent} of turns"; }
    AgentInterruptShare Conversation [] {
        Below(0.005) => "We let the lead finish in calls"; Rest => "We interrupt the lead in {percent} of turns"; }
    ViewingAsked Showing [ViewingAsked] {
        Below(0.5) => "Never asked in words to see a home";
        Below(1.5) => "Asked for a viewing {where} {ago}", "Asked for a viewing in a conversation";
        Rest => "Asked for a viewing {n} times, last {where} {ago}", "Asked for a viewing {n} times"; }
    ObjectionPrice PriceObjection [ObjectionPrice] {
        Below(0.5) => "No objection to a price";
        Below(1.5) => "Objected to the price {where} {ago}", "Objected to the price";
        Rest => "Objected to prices {n} times, last {ago}", "Objected to prices {n} times"; }
    ObjectionFinancing Financing [ObjectionFinancing] {
        Below(0.5) => "Financing not brought up";
        Below(1.5) => "Brought up financing {where} {ago}", "Brought up financing";
        Rest => "Brought up financing {n} times, last {ago}", "Brought up financing {n} times"; }
    ObjectionTiming TimingObjection [ObjectionTiming] {
        Below(0.5) => "Put nothing off";
        Below(1.5) => "Put things off {where} {ago}", "Put things off";
        Rest => "Put things off {n} times, last {ago}", "Put things off {n} times"; }
    ObjectionCompetitor Competitor [ObjectionCompetitor] {
        Below(0.5) => "No word of another agent";
        Below(1.5) => "Spoke of another agent {where} {ago}", "Spoke of another agent";
        Rest => "Spoke of another agent {n} times, last {ago}", "Spoke of another agent {n} times"; }
    Commitment Commitment [Commitment] {
        Below(0.5) => "No commitment to a next step";
        Below(1.5) => "Committed to a next step {where} {ago}", "Committed to a next step";
        Rest => "Committed to a next step {n} times, last {ago}", "Committed to a next step {n} times"; }
    Disinterest Disinterest [Disinterest] {
        Below(0.5) => "Has not declined";
        Below(1.5) => "Declined {where} {ago}", "Declined once";
        Rest => "Declined {n} times, last {where} {ago}", "Declined {n} times"; }
    OptOut OptOut [OptOut] {
        Below(0.5) => "Has not asked us to stay away";
        Below(1.5) => "Asked not to be contacted {where} {ago}", "Asked not to be contacted";
        Rest => "Asked {n} times not to be contacted, last {ago}", "Asked {n} times not to be contacted"; }
    OptOutDays OptOut [] { Missing => "Has not asked us to stay away"; Rest => "Asked {since} not to be contacted"; }
    FirstResponseHours OurPace [] { Rest => "We first responded after {hours}"; }
    UnansweredHours OurPace [] { Rest => "We have not responded for {hours}"; }
    AgentReplyHours OurPace [] { Rest => "We take {hours} to get back to the lead"; }
    AgentWaitHours OurPace [] { Rest => "The lead has waited for us for {hours}"; }
    LeadReplyHours Reply [] { Rest => "The lead takes {hours} to get back to us"; }
    LeadReplyShare Reply [] {
        Below(0.005) => "Never got back to us"; Below(0.995) => "Got back to us in {percent} of the cases";
        Rest => "Always got back to us"; }
    UnansweredRun Reply [] {
        Below(0.5) => "Replied to our last contact"; Below(1.5) => "No reply to our last contact";
        Rest => "No reply to our last {n} contacts"; }
    ContactGapDays OurPace [] { Rest => "In contact every {days}"; }
    ContactDays OurPace [] { Missing => "No contact so far"; Rest => "Last contact {since}"; }
    AgentListings AgentWork [ListingsSent] {
        Below(0.5) => "No listings sent"; Below(1.5) => "Listings sent {ago}", "Listings sent once";
        Rest => "Listings sent {n} times, last {ago}", "Listings sent {n} times"; }
    AgentShowings AgentWork [ShowingOffered] {
        Below(0.5) => "No showing offered"; Below(1.5) => "A showing was offered {ago}", "A showing was offered";
        Rest => "{n} showings were offered, the last {ago}", "{n} showings were offered"; }
    AgentValuations Valuation [ValuationSent] {
        Below(0.5) => "No valuation sent"; Below(1.5) => "A valuation was sent {ago}", "A valuation was sent";
        Rest => "{n} valuations were sent, the last {ago}", "{n} valuations were sent"; }
    StageOrdinal Stage [] {
        Below(0.5) => "In the pipeline as new"; Below(1.5) => "In the pipeline as contacted";
        Below(2.5) => "In the pipeline as engaged"; Below(3.5) => "In the pipeline as qualified";
        Below(4.5) => "In the pipeline as viewing homes"; Rest => "In the pipeline as negotiating"; }
    StageNurturing Stage [] { Below(0.5) => "Not set aside for later"; Rest => "Set aside for later in the pipeline"; }
    StageDays Stage [] { Rest => "In this stage for {days}"; }
    CreatedDays Age [] { Rest => "First came to us {since}"; }
    HourLocal Calendar [] { Rest => "It is {clock} where the lead is"; }
    WeekdayLocal Calendar [] { Rest => "It is {weekday} where the lead is"; }
    CreatedHourLocal Calendar [] { Rest => "Came to us at {clock}"; }
    CreatedWeekdayLocal Calendar [] { Rest => "Came to us on a {weekday}"; }
    SeasonSin Calendar [] { Rest => "Time of the year ({month})"; }
    SeasonCos Calendar [] { Rest => "Time of the year ({month})"; }
    PriceToMedian Budget [] {
        Below(-0.05) => "Looks {below} below the area's median price";
        Below(0.05) => "Looks near the area's median price";
        Rest => "Looks {above} above the area's median price"; }
    MedianPrice MarketPrices [] { Rest => "The median price where the lead looks is {money}"; }
    MarketChange3m MarketPrices [] {
        Below(-0.005) => "Prices there fell {below} in 3 months";
        Below(0.005) => "Prices there were stable for 3 months";
        Rest => "Prices there rose {above} in 3 months"; }
    MarketChange12m MarketPrices [] {
        Below(-0.005) => "Prices there fell {below} in 12 months";
        Below(0.005) => "Prices there were stable for 12 months";
        Rest => "Prices there rose {above} in 12 months"; }
    DaysOnMarket MarketSupply [] { Rest => "Homes where the lead looks sell in {days}"; }
    MonthsOfSupply MarketSupply [] { Rest => "{x} months of supply where the lead looks"; }
    PriceReducedShare MarketSupply [] { Rest => "{percent} of listings where the lead looks are reduced"; }
    SaleToList MarketSupply [] { Rest => "Homes where the lead looks sell at {percent} of list price"; }
    ListingInflow MarketSupply [] { Rest => "New listings are {percent} of the supply where the lead looks"; }
};

/// The words of a feature.
pub(super) fn wording(feature: Feature) -> Option<&'static Wording> {
    ACTIVITY.iter().flatten().chain(OTHERS).find(|wording| wording.feature == feature)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use leadscore_domain::{Timestamp, explanation::TEXT_MAX_CHARS, protected};

    use super::*;
    use crate::{
        explain::render::{CURRENCY_SIGN, Context},
        features::{FEATURES, LeadState},
    };

    const VALUES: [f32; 14] =
        [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, f32::MAX, -1e9, -0.7, -0.1, 0.0, 0.07, 0.5, 1.0, 3.4, 12.5, 1e6];

    fn said(wording: &Wording, value: f32) -> Option<String> {
        let state = LeadState::default();
        Context { state: &state, at: Timestamp::default(), currency: CURRENCY_SIGN }.say(wording, value)
    }

    #[test]
    fn every_feature_has_words_in_one_place() {
        let mut seen = BTreeSet::new();
        for row in ACTIVITY.iter().flatten().chain(OTHERS) {
            assert!(seen.insert(row.feature), "{:?} has two rows", row.feature);
        }
        for feature in Feature::ALL {
            let name = FEATURES[*feature as usize].name;
            let row = wording(*feature).unwrap_or_else(|| panic!("{name} has no words"));
            assert!(VALUES.iter().filter(|value| value.is_finite()).any(|v| said(row, *v).is_some()), "{name} is mute");
        }
    }

    #[test]
    fn no_value_gives_a_text_that_is_long_unfinished_or_about_a_person_s_nature() {
        for row in ACTIVITY.iter().flatten().chain(OTHERS) {
            for value in VALUES {
                let Some(text) = said(row, value) else { continue };
                assert!(text.chars().count() <= TEXT_MAX_CHARS, "{text}");
                assert!(!text.contains(['{', '}']) && !text.contains("NaN") && !text.contains("inf "), "{text}");
                assert_eq!(protected::classify(&text), None, "{text}");
                assert!(value.is_finite() || value.is_nan(), "{:?} speaks of {value}", row.feature);
            }
        }
    }

    #[test]
    fn no_text_claims_a_cause() {
        for (_, texts) in ACTIVITY.iter().flatten().chain(OTHERS).flat_map(|row| row.cases) {
            for text in *texts {
                let lower = text.to_lowercase();
                for word in ["because", "cause", "therefore", "due to", "thanks to", " will ", "leads to"] {
                    assert!(!lower.contains(word), "{text}");
                }
            }
        }
    }
}
