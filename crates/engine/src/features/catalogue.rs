//! The fixed catalogue of features, in one table.
//!
//! Owns: names, groups, units, formulas and windows. Invariant: a [`Feature`]'s number is its place in [`FEATURES`] and
//! in every vector. Deliberately absent: the calculation (see `compute`), and anything about who a person is.
//! After a change: `UPDATE_DOCS=1 cargo test -p leadscore-engine --test features` writes `docs/FEATURES.md` anew.

pub use leadscore_domain::Group;

/// Description of a feature of the fixed catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureSpec {
    /// Unique name.
    pub name: &'static str,
    /// Part of the breakdown.
    pub group: Group,
    /// Unit of the value.
    pub unit: &'static str,
    /// How it is calculated.
    pub formula: &'static str,
    /// Which events it sees: the time before the instant, a number of latest ones, or the lead's whole life.
    pub window: &'static str,
}

macro_rules! catalogue {
    ($($feature:ident $name:literal $group:ident $unit:literal $formula:literal $window:literal;)*) => {
        /// A feature of the fixed catalogue: its place in [`FEATURES`] and in the vectors that
        /// [`compute`](super::compute) fills.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is described by its entry in FEATURES")]
        pub enum Feature {
            $($feature,)*
        }

        impl Feature {
            /// Every feature, in the order of [`FEATURES`].
            pub const ALL: &[Self] = &[$(Self::$feature,)*];
        }

        /// The catalogue.
        pub static FEATURES: &[FeatureSpec] = &[$(FeatureSpec {
            name: $name,
            group: Group::$group,
            unit: $unit,
            formula: $formula,
            window: $window,
        },)*];
    };
}

/// Features of each kind of activity, in this order: counts of 1, 7, 30 and 90 days, decayed count, days since.
pub(super) const PER_PULSE: usize = 6;

catalogue! {
    // Web sessions and page views.
    Web1d "web_1d" Behavioral "events" "number of web sessions and page views" "1 d";
    Web7d "web_7d" Behavioral "events" "number of web sessions and page views" "7 d";
    Web30d "web_30d" Behavioral "events" "number of web sessions and page views" "30 d";
    Web90d "web_90d" Behavioral "events" "number of web sessions and page views" "90 d";
    WebDecay7d "web_decay_7d" Behavioral "events" "sum over web sessions and page views of 2^(-age/7 d), age in whole days" "90 d";
    WebDays "web_days_since" Timing "days" "time since the latest of web sessions and page views" "life";
    // Searches and saved listings.
    Search1d "search_1d" Behavioral "events" "number of searches and saved listings" "1 d";
    Search7d "search_7d" Behavioral "events" "number of searches and saved listings" "7 d";
    Search30d "search_30d" Behavioral "events" "number of searches and saved listings" "30 d";
    Search90d "search_90d" Behavioral "events" "number of searches and saved listings" "90 d";
    SearchDecay7d "search_decay_7d" Behavioral "events" "sum over searches and saved listings of 2^(-age/7 d), age in whole days" "90 d";
    SearchDays "search_days_since" Timing "days" "time since the latest of searches and saved listings" "life";
    // Showings requested, scheduled or held.
    Showing1d "showing_1d" Behavioral "events" "number of showings requested, scheduled or held" "1 d";
    Showing7d "showing_7d" Behavioral "events" "number of showings requested, scheduled or held" "7 d";
    Showing30d "showing_30d" Behavioral "events" "number of showings requested, scheduled or held" "30 d";
    Showing90d "showing_90d" Behavioral "events" "number of showings requested, scheduled or held" "90 d";
    ShowingDecay7d "showing_decay_7d" Behavioral "events" "sum over showings requested, scheduled or held of 2^(-age/7 d), age in whole days" "90 d";
    ShowingDays "showing_days_since" Timing "days" "time since the latest of showings requested, scheduled or held" "life";
    // E-mails opened, clicked or forwarded.
    Email1d "email_1d" Engagement "events" "number of e-mails opened, clicked or forwarded" "1 d";
    Email7d "email_7d" Engagement "events" "number of e-mails opened, clicked or forwarded" "7 d";
    Email30d "email_30d" Engagement "events" "number of e-mails opened, clicked or forwarded" "30 d";
    Email90d "email_90d" Engagement "events" "number of e-mails opened, clicked or forwarded" "90 d";
    EmailDecay7d "email_decay_7d" Engagement "events" "sum over e-mails opened, clicked or forwarded of 2^(-age/7 d), age in whole days" "90 d";
    EmailDays "email_days_since" Timing "days" "time since the latest of e-mails opened, clicked or forwarded" "life";
    // Calls, messages and e-mail answers from the lead.
    Inbound1d "inbound_1d" Engagement "events" "number of calls, messages and e-mail answers from the lead" "1 d";
    Inbound7d "inbound_7d" Engagement "events" "number of calls, messages and e-mail answers from the lead" "7 d";
    Inbound30d "inbound_30d" Engagement "events" "number of calls, messages and e-mail answers from the lead" "30 d";
    Inbound90d "inbound_90d" Engagement "events" "number of calls, messages and e-mail answers from the lead" "90 d";
    InboundDecay7d "inbound_decay_7d" Engagement "events" "sum over calls, messages and e-mail answers from the lead of 2^(-age/7 d), age in whole days" "90 d";
    InboundDays "inbound_days_since" Timing "days" "time since the latest of calls, messages and e-mail answers from the lead" "life";
    // Calls to the lead that it answered.
    Talk1d "talk_1d" Engagement "events" "number of calls to the lead that it answered" "1 d";
    Talk7d "talk_7d" Engagement "events" "number of calls to the lead that it answered" "7 d";
    Talk30d "talk_30d" Engagement "events" "number of calls to the lead that it answered" "30 d";
    Talk90d "talk_90d" Engagement "events" "number of calls to the lead that it answered" "90 d";
    TalkDecay7d "talk_decay_7d" Engagement "events" "sum over calls to the lead that it answered of 2^(-age/7 d), age in whole days" "90 d";
    TalkDays "talk_days_since" Timing "days" "time since the latest of calls to the lead that it answered" "life";
    // Unanswered calls, messages and e-mails to the lead.
    Outbound1d "outbound_1d" Timing "events" "number of unanswered calls, messages and e-mails to the lead" "1 d";
    Outbound7d "outbound_7d" Timing "events" "number of unanswered calls, messages and e-mails to the lead" "7 d";
    Outbound30d "outbound_30d" Timing "events" "number of unanswered calls, messages and e-mails to the lead" "30 d";
    Outbound90d "outbound_90d" Timing "events" "number of unanswered calls, messages and e-mails to the lead" "90 d";
    OutboundDecay7d "outbound_decay_7d" Timing "events" "sum over unanswered calls, messages and e-mails to the lead of 2^(-age/7 d), age in whole days" "90 d";
    OutboundDays "outbound_days_since" Timing "days" "time since the latest of unanswered calls, messages and e-mails to the lead" "life";
    // Actions of the agent.
    Agent1d "agent_1d" Timing "events" "number of actions of the agent" "1 d";
    Agent7d "agent_7d" Timing "events" "number of actions of the agent" "7 d";
    Agent30d "agent_30d" Timing "events" "number of actions of the agent" "30 d";
    Agent90d "agent_90d" Timing "events" "number of actions of the agent" "90 d";
    AgentDecay7d "agent_decay_7d" Timing "events" "sum over actions of the agent of 2^(-age/7 d), age in whole days" "90 d";
    AgentDays "agent_days_since" Timing "days" "time since the latest of actions of the agent" "life";
    // All of the lead's own activity: web, search, showing, email, inbound, talk.
    Activity1d "activity_1d" Behavioral "events" "number of all of the lead's own activity: web, search, showing, email, inbound, talk" "1 d";
    Activity7d "activity_7d" Behavioral "events" "number of all of the lead's own activity: web, search, showing, email, inbound, talk" "7 d";
    Activity30d "activity_30d" Behavioral "events" "number of all of the lead's own activity: web, search, showing, email, inbound, talk" "30 d";
    Activity90d "activity_90d" Behavioral "events" "number of all of the lead's own activity: web, search, showing, email, inbound, talk" "90 d";
    ActivityDecay7d "activity_decay_7d" Behavioral "events" "sum over all of the lead's own activity: web, search, showing, email, inbound, talk of 2^(-age/7 d), age in whole days" "90 d";
    ActivityDays "activity_days_since" Timing "days" "time since the latest of all of the lead's own activity: web, search, showing, email, inbound, talk" "life";
    ActivityDecay1d "activity_decay_1d" Timing "events" "sum over the lead's own activity of 2^(-age/1 d), age in whole hours" "2 d";
    ActivityDecay30d "activity_decay_30d" Behavioral "events" "sum over the lead's own activity of 2^(-age/30 d), age in whole days" "90 d";
    ActivityPace "activity_pace" Timing "ratio" "ln((activity_7d + 1) / (7/30 * activity_30d + 1)); missing without activity in 30 days" "30 d";
    ActiveDays "active_days" Behavioral "days" "days with the lead's own activity" "90 d";
    // Web.
    PageCount "page_count" Behavioral "pages" "pages of all sessions, plus page views" "life";
    PagesPerSession "pages_per_session" Behavioral "pages" "pages of sessions / sessions" "life";
    SessionMinutesMean "session_minutes_mean" Behavioral "minutes" "time on site / sessions" "life";
    SessionMinutesMax "session_minutes_max" Behavioral "minutes" "longest session" "life";
    DownloadCount "download_count" Behavioral "files" "files downloaded" "life";
    ListingViews "listing_views" Behavioral "pages" "views of listings" "life";
    ListingRepeat "listing_repeat" Behavioral "ratio" "views, saves and showings per distinct listing (of at most 32 sampled by hash)" "life";
    FinancingViews "financing_views" Behavioral "pages" "views of financing pages" "life";
    ValuationViews "valuation_views" Behavioral "pages" "views of the valuation page" "life";
    ContactViews "contact_views" Behavioral "pages" "views of the contact page" "life";
    // Search focus.
    SearchCount "search_count" Behavioral "searches" "searches to buy or rent" "life";
    SavedCount "saved_count" Behavioral "listings" "listings saved" "life";
    RentShare "rent_share" Behavioral "share" "searches to rent / searches" "life";
    PriceCentre "price_centre" MarketFit "ln currency" "ln of the middle of the latest search's price range, else of the mean price of saved listings" "life";
    PriceWidth "price_width" Behavioral "ratio" "latest search with both ends: (max - min) / middle" "8 searches";
    PriceNarrowing "price_narrowing" Behavioral "ratio" "price width of the first search minus that of the latest; above 0 where the search narrowed" "life";
    PriceDrift "price_drift" MarketFit "ln ratio" "ln of the latest search's middle over the mean middle of all searches" "life";
    PriceSpread "price_spread" Behavioral "ratio" "(highest - lowest middle) / latest middle" "8 searches";
    AreaCount "area_count" Behavioral "areas" "distinct areas searched or saved, at most 32; missing without any" "life";
    SearchAreas "search_areas" Behavioral "areas" "areas of the latest search" "life";
    AreaNarrowing "area_narrowing" Behavioral "areas" "areas of the first search minus those of the latest" "life";
    PropertyTypes "property_types" Behavioral "types" "distinct property types searched or saved; missing without any" "life";
    Bedrooms "bedrooms" MarketFit "rooms" "least bedrooms of the latest search" "life";
    // Showings.
    ShowingsRequested "showings_requested" Behavioral "showings" "showings requested" "life";
    ShowingsScheduled "showings_scheduled" Behavioral "showings" "showings scheduled" "life";
    ShowingsHeld "showings_held" Behavioral "showings" "showings held" "life";
    ShowingsCancelled "showings_cancelled" Behavioral "showings" "showings cancelled" "life";
    ShowingsNoShow "showings_no_show" Engagement "showings" "showings to which the lead did not come" "life";
    ShowingKeptShare "showing_kept_share" Engagement "share" "held / (held + cancelled + no-show)" "life";
    // E-mail.
    EmailsSent "emails_sent" Timing "e-mails" "e-mails sent" "life";
    EmailOpenRate "email_open_rate" Engagement "ratio" "opens / e-mails; e-mails = the greater of sent and delivered" "life";
    EmailClickRate "email_click_rate" Engagement "ratio" "clicks / e-mails" "life";
    EmailReplyRate "email_reply_rate" Engagement "ratio" "answers / e-mails" "life";
    EmailsForwarded "emails_forwarded" Engagement "e-mails" "e-mails forwarded" "life";
    EmailBounced "email_bounced" Engagement "e-mails" "e-mails bounced" "life";
    EmailUnsubscribed "email_unsubscribed" Engagement "0 or 1" "whether the lead ever unsubscribed; missing where no e-mail is known" "life";
    // Calls and messages.
    CallsOut "calls_out" Timing "calls" "calls to the lead" "life";
    CallAnswerRate "call_answer_rate" Engagement "share" "calls to the lead that it answered / calls to the lead" "life";
    CallsIn "calls_in" Engagement "calls" "calls from the lead" "life";
    CallMinutesMean "call_minutes_mean" Engagement "minutes" "length of answered calls / answered calls" "life";
    CallMinutesMax "call_minutes_max" Engagement "minutes" "longest answered call" "life";
    CallAiShare "call_ai_share" Timing "share" "answered calls by an artificial voice / answered calls" "life";
    MessagesIn "messages_in" Engagement "messages" "messages from the lead" "life";
    MessagesOut "messages_out" Timing "messages" "messages to the lead" "life";
    // What was said.
    SentimentMean "sentiment_mean" Engagement "-1 to 1" "mean sentiment of conversations, each the mean of the lead's turns by the product's own model, weighed by how far a turn is not neutral; the platform's where there are no words" "life";
    SentimentLast "sentiment_last" Engagement "-1 to 1" "sentiment of the latest judged conversation" "life";
    SentimentTrend "sentiment_trend" Engagement "-2 to 2" "mean of the later half of judged conversations minus mean of the earlier half; the middle one counts in neither" "8 conversations";
    SentimentCallTrend "sentiment_call_trend" Engagement "-2 to 2" "mean over calls of the sentiment of the later half of the lead's turns minus that of the earlier half; of calls with four judged turns or more" "life";
    PlatformSentimentMean "platform_sentiment_mean" Engagement "-1 to 1" "mean sentiment of conversations as the platform judged them" "life";
    PlatformSentimentLast "platform_sentiment_last" Engagement "-1 to 1" "sentiment of the latest conversation that the platform judged" "life";
    LeadTalkShare "lead_talk_share" Engagement "share" "the lead's speech / all speech in calls; turns without duration at 150 words a minute" "life";
    QuestionsPerTalk "questions_per_talk" Engagement "questions" "the lead's questions / conversations in which it said something" "life";
    AgentQuestions "agent_questions_per_talk" Timing "questions" "the agent's questions / conversations in which the lead said something" "life";
    LeadWords "lead_words_per_talk" Engagement "words" "the lead's words / conversations in which it said something" "life";
    LeadPauseSeconds "lead_pause_seconds" Engagement "seconds" "mean silence between the end of the agent's turn and the lead's next, each at most 60; of turns with offset and duration" "life";
    AgentPauseSeconds "agent_pause_seconds" Timing "seconds" "mean silence between the end of the lead's turn and the agent's next, each at most 60" "life";
    LeadInterruptShare "lead_interrupt_share" Engagement "share" "the lead's turns that began 0.3 s or more before the agent had ended / its turns that follow one of the agent's" "life";
    AgentInterruptShare "agent_interrupt_share" Timing "share" "the agent's turns that began 0.3 s or more before the lead had ended / its turns that follow one of the lead's" "life";
    ViewingAsked "viewing_asked" Engagement "conversations" "conversations in which the lead asked to see a home" "life";
    ObjectionPrice "objection_price" Engagement "conversations" "conversations in which the lead objected to a price" "life";
    ObjectionFinancing "objection_financing" Engagement "conversations" "conversations in which the lead raised financing" "life";
    ObjectionTiming "objection_timing" Engagement "conversations" "conversations in which the lead put things off" "life";
    ObjectionCompetitor "objection_competitor" Engagement "conversations" "conversations in which the lead spoke of another agent or company" "life";
    Commitment "commitment" Engagement "conversations" "conversations in which the lead committed to a step" "life";
    Disinterest "disinterest" Engagement "conversations" "conversations in which the lead declined" "life";
    OptOut "opt_out" Engagement "conversations" "conversations in which the lead asked not to be contacted" "life";
    OptOutDays "opt_out_days_since" Timing "days" "time since the lead last asked not to be contacted" "life";
    // Pace of contact.
    FirstResponseHours "first_response_hours" Timing "hours" "from the lead's creation to our first contact or the first answered call" "life";
    UnansweredHours "unanswered_hours" Timing "hours" "age of the lead where we have not yet contacted it" "life";
    AgentReplyHours "agent_reply_hours" Timing "hours" "mean time from a contact by the lead to our next contact" "24 contacts";
    AgentWaitHours "agent_wait_hours" Timing "hours" "time since the lead's first contact that we have not yet followed" "24 contacts";
    LeadReplyHours "lead_reply_hours" Engagement "hours" "mean time from our latest contact to the lead's reaction" "24 contacts";
    LeadReplyShare "lead_reply_share" Engagement "share" "runs of our contacts that the lead reacted to / such runs" "24 contacts";
    UnansweredRun "unanswered_run" Engagement "contacts" "our contacts since the lead's last reaction; missing where we made none" "24 contacts";
    ContactGapDays "contact_gap_days" Timing "days" "mean time between neighbouring contacts" "24 contacts";
    ContactDays "contact_days_since" Timing "days" "time since the latest contact either way" "life";
    AgentListings "agent_listings" Timing "actions" "listings sent by the agent" "life";
    AgentShowings "agent_showings" Timing "actions" "showings offered by the agent" "life";
    AgentValuations "agent_valuations" Timing "actions" "valuations sent by the agent" "life";
    // Stage and calendar.
    StageOrdinal "stage_ordinal" Engagement "0 to 5" "latest of new, contacted, engaged, qualified, showing, negotiating; missing in other stages" "life";
    StageNurturing "stage_nurturing" Engagement "0 or 1" "whether the latest open stage is nurturing" "life";
    StageDays "stage_days" Timing "days" "time since the latest open stage began" "life";
    CreatedDays "created_days_since" Timing "days" "time since the lead's creation or first event" "life";
    HourLocal "hour_local" Timing "0 to 23" "hour of the instant in the lead's zone; missing where that is unknown" "instant";
    WeekdayLocal "weekday_local" Timing "0 to 6" "weekday of the instant in the lead's zone, Monday 0" "instant";
    CreatedHourLocal "created_hour_local" Timing "0 to 23" "hour of the lead's creation in its zone" "life";
    CreatedWeekdayLocal "created_weekday_local" Timing "0 to 6" "weekday of the lead's creation in its zone" "life";
    SeasonSin "season_sin" Timing "-1 to 1" "sin(2 pi d / 365.2425), d = whole days since 2000-01-01 UTC" "instant";
    SeasonCos "season_cos" Timing "-1 to 1" "cos(2 pi d / 365.2425)" "instant";
    // Market where the lead looks.
    PriceToMedian "price_to_median" MarketFit "ln ratio" "ln of the price centre over the area's median price; missing for rent" "as published";
    MedianPrice "median_price" MarketFit "ln currency" "ln of the area's median price" "as published";
    MarketChange3m "market_change_3m" MarketFit "ln ratio" "ln of the median price over that of 3 months before" "as published";
    MarketChange12m "market_change_12m" MarketFit "ln ratio" "ln of the median price over that of 12 months before" "as published";
    DaysOnMarket "days_on_market" MarketFit "days" "the area's median days on market" "as published";
    MonthsOfSupply "months_of_supply" MarketFit "months" "how long the area's supply would last" "as published";
    PriceReducedShare "price_reduced_share" MarketFit "share" "the area's listings with a reduced price" "as published";
    SaleToList "sale_to_list" MarketFit "ratio" "the area's sale price over list price" "as published";
    ListingInflow "listing_inflow" MarketFit "ratio" "the area's new listings over active ones" "as published";
}
